"""The data that all of them start with: an experiment of 100,000 runs, and a metric with 100,000 points."""

from contextlib import closing

import sqlalchemy

from benchmarks.login_server import TEAM
from rehearsal.postgres import SUPERUSER, Postgres

RUNS = 100_000
POINTS = 100_000
EXPERIMENT = "1000"
# The run whose history is read; it is in an experiment of its own.
HISTORY_EXPERIMENT = "1001"
HISTORY = f"{1:032x}"
# What is written past the server goes here.
WRITTEN = f"{2:032x}"
TEMPLATE = "bench_template"
WORKSPACE = "default"
ROWS = f"""
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, workspace)
    VALUES ({EXPERIMENT}, 'many runs', 's3://bench-login/1000', 'active', '{WORKSPACE}'),
        ({HISTORY_EXPERIMENT}, 'one history', 's3://bench-login/1001', 'active', '{WORKSPACE}');
INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage,
        artifact_uri, experiment_id)
    SELECT md5(n::text), 'run-' || n, 'UNKNOWN', 'ada', 'FINISHED', 1700000000000 + n * 1000,
        1700000000500 + n * 1000, 'active', 's3://bench-login/1000/' || n, {EXPERIMENT}
    FROM generate_series(1, {RUNS}) AS n;
INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, experiment_id)
    SELECT run, 'history', 'UNKNOWN', 'ada', 'RUNNING', 0, 'active', {HISTORY_EXPERIMENT}
    FROM unnest(ARRAY['{HISTORY}', '{WRITTEN}']) AS run;
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
    SELECT 'metric_' || k, (hashtext(n::text) % 10000) / 10000.0, 1700000000000 + n, 1, false, md5(n::text)
    FROM generate_series(1, {RUNS}) AS n, generate_series(0, 4) AS k;
INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
    SELECT key, value, timestamp, step, is_nan, run_uuid FROM latest_metrics;
INSERT INTO params (key, value, run_uuid)
    SELECT 'param_' || k, (n % 100)::text, md5(n::text)
    FROM generate_series(1, {RUNS}) AS n, generate_series(0, 4) AS k;
INSERT INTO tags (key, value, run_uuid)
    SELECT 'tag_' || k, 'value ' || n, md5(n::text)
    FROM generate_series(1, {RUNS}) AS n, generate_series(0, 4) AS k;
INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
    SELECT 'loss', 1.0 / n, 1700000000000 + n, n, false, '{HISTORY}' FROM generate_series(1, {POINTS}) AS n;
"""  # noqa: S608 - constants
# Into the workspace that ours is asked in.
MOVED = f"""
INSERT INTO workspaces (name) VALUES ('{TEAM}');
UPDATE experiments SET workspace = '{TEAM}' WHERE experiment_id IN ({EXPERIMENT}, {HISTORY_EXPERIMENT});
"""  # noqa: S608 - constants


def seed(postgres: Postgres, names: list[str]) -> None:
    """Make a database for each name, all alike but for the workspace that ours is asked in."""
    # Each keeps its connections while it stands still, stock tuned up to 160: the others must find room.
    _run(postgres, "postgres", "ALTER SYSTEM SET max_connections = 500")
    postgres.shut_down()
    postgres.restart()
    _run(postgres, "postgres", f"CREATE DATABASE {TEMPLATE}")
    engine = sqlalchemy.create_engine(
        f"postgresql+psycopg2://{SUPERUSER}@/{TEMPLATE}?host={postgres.folder}", poolclass=sqlalchemy.NullPool
    )
    from mlflow.store.db.utils import _initialize_tables  # noqa: PLC0415 - slow to import

    _initialize_tables(engine)
    _run(postgres, TEMPLATE, ROWS)
    _run(postgres, TEMPLATE, "VACUUM ANALYZE")
    for name in names:
        _run(postgres, "postgres", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        if name.endswith("ours"):
            _run(postgres, name, MOVED)


def _run(postgres: Postgres, database: str, statement: str) -> None:
    with closing(postgres.connect(database=database)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)
