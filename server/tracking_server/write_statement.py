"""The one statement by which any number of hot writes reach Postgres, in one commit."""

from collections.abc import Iterable, Sequence

import orjson

from .plain_writes import Write

# Planned once for each connection, maybe while the tables are empty, so that no plan may read a whole table.
# Nothing here can wait for long but for a lock, and whoever asked is then better served by MLflow's answer.
SETTINGS = """
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET plan_cache_mode = force_generic_plan; SET jit = off; SET statement_timeout = '10s';
"""

# Its rows are the numbers of the requests that are done, from 1. The others have written nothing, but for one
# that lost a race for a parameter: its run is not there or not active, or a parameter has another value.
# Everything is written in the order of its keys: two of these at the same time do not lock each other out.
PREPARE = """
PREPARE hot_writes(
    text[], text[],
    int[], text[], float8[], bigint[], bigint[], bool[],
    int[], text[], text[],
    int[], text[], text[]
) AS
WITH active AS MATERIALIZED (
    SELECT number, run_uuid
    FROM unnest($1, $2) WITH ORDINALITY AS asked (run_uuid, workspace, number)
    JOIN runs USING (run_uuid)
    JOIN experiments USING (experiment_id)
    WHERE runs.lifecycle_stage = 'active' AND experiments.workspace = asked.workspace
), given AS MATERIALIZED (
    SELECT number, run_uuid, key, value, place
    FROM unnest($9, $10, $11) WITH ORDINALITY AS given (number, key, value, place)
    JOIN active USING (number)
), known AS MATERIALIZED (
    SELECT number, key, params.value = given.value AS same
    FROM given JOIN params USING (run_uuid, key)
), agreed AS MATERIALIZED (
    SELECT number, run_uuid FROM active WHERE number NOT IN (SELECT number FROM known WHERE NOT same)
), new_parameters AS (
    INSERT INTO params (run_uuid, key, value)
    SELECT run_uuid, key, value FROM given JOIN agreed USING (number, run_uuid)
    ORDER BY run_uuid, key, place
    ON CONFLICT DO NOTHING
    RETURNING run_uuid, key, value
), logged AS MATERIALIZED (
    SELECT run_uuid, key, value, timestamp, step, is_nan, place
    FROM unnest($3, $4, $5, $6, $7, $8) WITH ORDINALITY
        AS metric (number, key, value, timestamp, step, is_nan, place)
    JOIN agreed USING (number)
), history AS (
    INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan)
    SELECT run_uuid, key, value, timestamp, step, is_nan
    FROM logged ORDER BY run_uuid, key, step, timestamp, place
    ON CONFLICT DO NOTHING
), latest AS (
    INSERT INTO latest_metrics AS old (run_uuid, key, value, timestamp, step, is_nan)
    SELECT DISTINCT ON (run_uuid, key) run_uuid, key, value, timestamp, step, is_nan
    FROM logged ORDER BY run_uuid, key, step DESC, timestamp DESC, value DESC, place
    ON CONFLICT (run_uuid, key) DO UPDATE
    SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value) > (old.step, old.timestamp, old.value)
), new_tags AS (
    INSERT INTO tags (run_uuid, key, value)
    SELECT DISTINCT ON (run_uuid, key) run_uuid, key, value
    FROM unnest($12, $13, $14) WITH ORDINALITY AS tag (number, key, value, place)
    JOIN agreed USING (number)
    ORDER BY run_uuid, key, place DESC
    ON CONFLICT (run_uuid, key) DO UPDATE SET value = excluded.value
)
SELECT number FROM agreed WHERE NOT EXISTS (
    SELECT FROM given WHERE given.number = agreed.number
    AND NOT EXISTS (SELECT FROM known WHERE known.number = given.number AND known.key = given.key)
    AND NOT EXISTS (
        SELECT FROM new_parameters AS new
        WHERE new.run_uuid = given.run_uuid AND new.key = given.key AND new.value = given.value
    )
)
"""
EXECUTE = "EXECUTE hot_writes(" + ", ".join(["%s"] * 14) + ")"


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
