"""The statement of the hot writes in Postgres: how it is planned, and what it does with a repeated point."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy
from mlflow.store.db.utils import _initialize_tables

from rehearsal.postgres import DATABASE, SUPERUSER, Postgres
from server.tracking_server.plain_writes import Write
from server.tracking_server.write_statement import EXECUTE, NEW, PREPARE, REPEATED, SETTINGS, arguments

pytestmark = pytest.mark.rehearsal
RUN = "a" * 32
MANY = 3000
LOOKED_UP = {"experiments": "runs.experiment_id", "runs": "asked.run_uuid", "params old": "active.run_uuid"}
EXPERIMENTS = """
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, workspace)
    SELECT n, 'experiment ' || n, 's3://x', 'active', 'vision' FROM generate_series(%s, %s) AS n
"""
ONE_RUN = f"""
INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, experiment_id)
    VALUES ('{RUN}', 'run', 'UNKNOWN', 'ada', 'RUNNING', 0, 'active', 1)
"""  # noqa: S608 - constants


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    """Stand in a database with one experiment and one run."""
    with Postgres() as postgres:
        engine = sqlalchemy.create_engine(
            f"postgresql+psycopg2://{SUPERUSER}@/{DATABASE}?host={postgres.folder}",
            poolclass=sqlalchemy.NullPool,
        )
        _initialize_tables(engine)
        with closing(postgres.connect()) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("DELETE FROM experiments")
            cursor.execute(EXPERIMENTS, (1, 1))
            cursor.execute(ONE_RUN)
            cursor.execute(SETTINGS)
            cursor.execute(PREPARE)
            yield cursor


def given(*keys: str) -> list[str]:
    metrics = [(key, 1.0, 1, step, False) for step, key in enumerate(keys)]
    pairs = [(key, "value") for key in keys]
    return arguments([(Write(run=RUN, metrics=metrics, parameters=pairs, tags=pairs), "vision")])


def read(cursor: Any, statement: str) -> list[Any]:
    cursor.execute(statement)
    return cursor.fetchall()


def plan(cursor: Any, name: str, *keys: str) -> list[str]:
    question = cursor.mogrify(EXECUTE.format(name), given(*keys)).decode()
    return [line.strip() for (line,) in read(cursor, f"EXPLAIN {question}")]


@pytest.mark.parametrize("name", [NEW, REPEATED])
def test_keys_are_sorted_as_python_does_whatever_the_databases_collation(cursor: Any, name: str) -> None:
    # This Postgres knows no other than C, but by its plan.
    sorts = [line for line in plan(cursor, name, "a") if line.startswith("Sort Key")]
    assert len(sorts) == 4  # parameters, history, latest values, tags
    assert [line for line in sorts if 'key COLLATE "C"' not in line.replace("))::text", "")] == []


def test_where_a_point_is_there_already_one_statement_writes_nothing_and_the_other_the_rest(
    cursor: Any,
) -> None:
    cursor.execute(EXECUTE.format(NEW), given("once"))
    with pytest.raises(Exception, match="metric_pk"):
        cursor.execute(EXECUTE.format(NEW), given("once", "twice"))
    assert read(cursor, "SELECT count(*) FROM metrics WHERE key = 'twice'") == [(0,)]
    cursor.execute(EXECUTE.format(REPEATED), given("once", "twice"))
    assert cursor.fetchall() == [(1,)]
    assert read(cursor, "SELECT count(*) FROM metrics WHERE key IN ('once', 'twice')") == [(2,)]


@pytest.mark.parametrize("name", [NEW, REPEATED])
def test_a_plan_made_when_there_was_little_reads_no_table_and_no_other_experiment(
    cursor: Any, name: str
) -> None:
    cursor.execute(EXECUTE.format(REPEATED), given("planned"))
    cursor.execute("ALTER TABLE experiments SET (autovacuum_enabled = false)")
    cursor.execute("DELETE FROM experiments WHERE experiment_id > 1")
    cursor.execute(EXPERIMENTS, (2, MANY))
    lines = plan(cursor, name, "planned later")
    assert not [line for line in lines if "Seq Scan" in line]
    for table, condition in LOOKED_UP.items():
        (place,) = (number for number, line in enumerate(lines) if f" on {table} " in line)
        assert lines[place + 1].startswith("Index Cond: ")
        assert f" = {condition})" in lines[place + 1]
