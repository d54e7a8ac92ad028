"""The statement by which any number of hot writes reach Postgres, in one commit."""

from collections.abc import Iterable, Sequence

import orjson

from .plain_writes import Write

# Planned once for each connection, maybe while the tables are empty, so that no plan may read a whole table.
# Run, experiment and parameter are looked up in subqueries, not joined: a join can begin at either end.
# Nothing here can wait for long but for a lock, and whoever asked is then better served by MLflow's answer.
SETTINGS = """
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET plan_cache_mode = force_generic_plan; SET jit = off; SET statement_timeout = '10s';
"""

# Its rows are the numbers of the requests that are done, from 1. The others have written nothing, but for one
# that lost a race for a parameter: its run is not there or not active, or a parameter has another value.
# Everything is written in the order of its keys, in the collation by which MLflow's Python sorts them: two of
# these at the same time do not lock each other out.
STATEMENT = """
PREPARE :name(
    text[], text[],
    int[], text[], float8[], bigint[], bigint[], bool[],
    int[], text[], text[],
    int[], text[], text[]
) AS
WITH active AS MATERIALIZED (
    SELECT number, run_uuid FROM unnest($1, $2) WITH ORDINALITY AS asked (run_uuid, workspace, number)
    WHERE workspace = (
        SELECT (SELECT workspace FROM experiments WHERE experiment_id = runs.experiment_id)
        FROM runs WHERE runs.run_uuid = asked.run_uuid AND lifecycle_stage = 'active'
    )
), given AS MATERIALIZED (
    SELECT number, run_uuid, key, value, place, (
        SELECT old.value = given.value FROM params AS old
        WHERE old.run_uuid = active.run_uuid AND old.key = given.key
    ) AS is_there
    FROM unnest($9, $10, $11) WITH ORDINALITY AS given (number, key, value, place)
    JOIN active USING (number)
), agreed AS MATERIALIZED (
    SELECT number, run_uuid FROM active WHERE number NOT IN (SELECT number FROM given WHERE NOT is_there)
), new_parameters AS (
    INSERT INTO params (run_uuid, key, value)
    SELECT run_uuid, key, value FROM given JOIN agreed USING (number, run_uuid) WHERE is_there IS NULL
    ORDER BY run_uuid, key COLLATE "C", place
    ON CONFLICT DO NOTHING
    RETURNING run_uuid, key, value
), logged AS MATERIALIZED (
    SELECT run_uuid, key COLLATE "C" AS key, value, timestamp, step, is_nan, place
    FROM unnest($3, $4, $5, $6, $7, $8) WITH ORDINALITY
        AS metric (number, key, value, timestamp, step, is_nan, place)
    JOIN agreed USING (number)
), history AS (
    INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan)
    SELECT run_uuid, key, value, timestamp, step, is_nan
    FROM logged ORDER BY run_uuid, key, step, timestamp, place
    :on_conflict
), latest AS (
    INSERT INTO latest_metrics AS old (run_uuid, key, value, timestamp, step, is_nan)
    SELECT DISTINCT ON (run_uuid, key) run_uuid, key, value, timestamp, step, is_nan
    FROM logged ORDER BY run_uuid, key, step DESC, timestamp DESC, value DESC, place
    ON CONFLICT (run_uuid, key) DO UPDATE
    SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value) > (old.step, old.timestamp, old.value)
), new_tags AS (
    INSERT INTO tags (run_uuid, key, value)
    SELECT DISTINCT ON (run_uuid, key COLLATE "C") run_uuid, key, value
    FROM unnest($12, $13, $14) WITH ORDINALITY AS tag (number, key, value, place)
    JOIN agreed USING (number)
    ORDER BY run_uuid, key COLLATE "C", place DESC
    ON CONFLICT (run_uuid, key) DO UPDATE SET value = excluded.value
)
SELECT number FROM agreed WHERE NOT EXISTS (
    SELECT FROM given WHERE given.number = agreed.number AND is_there IS NULL AND NOT EXISTS (
        SELECT FROM new_parameters AS new
        WHERE new.run_uuid = given.run_uuid AND new.key = given.key AND new.value = given.value
    )
)
"""
# Most points are new, and Postgres adds them for a seventh less when it need not look for each first. Where
# one is there already the first statement fails, having written nothing, and the second passes over it.
NEW, REPEATED = "new_writes", "repeated_writes"
PREPARE = "".join(
    STATEMENT.replace(":name", name).replace(":on_conflict", on_conflict) + ";"
    for name, on_conflict in ((NEW, ""), (REPEATED, "ON CONFLICT DO NOTHING"))
)
EXECUTE = "EXECUTE {}(" + ", ".join(["%s"] * 14) + ")"


def arguments(asked: Sequence[tuple[Write, str]]) -> list[str]:
    """Return the statement's, each an array as Postgres writes one.

    Args:
        asked: what to write, and the workspace that its run must be in.
    """
    writes = [write for write, _ in asked]
    metrics = [metric for write in writes for metric in write.metrics]
    keys, values, times, steps, nans = zip(*metrics, strict=True) if metrics else ((), (), (), (), ())
    return [
        _texts(write.run for write in writes),
        _texts(workspace for _, workspace in asked),
        _numbers(_of(len(write.metrics) for write in writes)),
        _texts(keys),
        _numbers(values),
        _numbers(times),
        _numbers(steps),
        _numbers(nans),
        *_pairs([write.parameters for write in writes]),
        *_pairs([write.tags for write in writes]),
    ]


def _pairs(each: Sequence[Sequence[tuple[str, str]]]) -> tuple[str, str, str]:
    return (
        _numbers(_of(map(len, each))),
        _texts(key for pairs in each for key, _ in pairs),
        _texts(value for pairs in each for _, value in pairs),
    )


def _of(lengths: Iterable[int]) -> Sequence[int]:
    """Return for each row the number of its request."""
    return [number for number, length in enumerate(lengths, 1) for _ in range(length)]


def _numbers(values: Sequence[float]) -> str:
    """Write finite numbers, or booleans, each as exactly as it is."""
    return "{" + orjson.dumps(values)[1:-1].decode() + "}"


def _texts(values: Iterable[str]) -> str:
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
