"""A sample of each run's history of a metric, as charts ask for it: Postgres chooses the points."""

import re
from typing import Any

from mlflow.server.handlers import MAX_RESULTS_PER_RUN, MAX_RUNS_GET_METRIC_HISTORY_BULK
from sqlalchemy import text

from .metric_history import ACCESSIBLE, ALL, ENDS_WITH_RUN, NUMBER, POINT, written
from .plain_query import plain_query

STEP = re.compile(r"0|-?[1-9][0-9]{0,8}", re.ASCII)
ACCESSIBLE_RUNS = text(f"SELECT count(*) FROM ({ACCESSIBLE}) AS accessible")  # noqa: S608 - constants
# The first point of each of so many buckets of equal size, larger ones before, as ntile makes them; and the
# last point of all, which stands for the last bucket. A run that is asked for twice is answered twice.
SAMPLE = f"""
WITH numbered AS (
    SELECT run_uuid, value, timestamp, step, is_nan, count(*) OVER (PARTITION BY run_uuid) AS points,
        row_number() OVER (PARTITION BY run_uuid ORDER BY step, timestamp, value, is_nan) - 1 AS place
    FROM metrics WHERE key = :name AND run_uuid = ANY(:runs) :range
), bucketed AS (
    SELECT *, points / :most AS size, points % :most * (points / :most + 1) AS in_larger FROM numbered
)
SELECT {POINT} {ENDS_WITH_RUN} AS point
FROM bucketed JOIN unnest(:runs) WITH ORDINALITY AS asked (run, nth) ON run_uuid = run
WHERE place = points - 1 OR place < points - size AND CASE
    WHEN place < in_larger THEN place % (size + 1) ELSE (place - in_larger) % size END = 0
ORDER BY nth, place
"""  # noqa: S608 - constants
WHOLE = text(ALL % SAMPLE.replace(":range", ""))
PART = text(ALL % SAMPLE.replace(":range", "AND step BETWEEN :first AND :last"))


def sample(store: Any, workspace: str, query: bytes, _body: bytes) -> bytes | None:
    """Answer get-history-bulk-interval; None when MLflow must, as for a run that is not the workspace's."""
    asked = plain_query(query, {"metric_key", "start_step", "end_step", "max_results"}, {"run_ids"})
    if asked is None or "run_ids" not in asked or not asked.get("metric_key", [""])[0]:
        return None
    runs, name = asked["run_ids"], asked["metric_key"][0]
    most = asked.get("max_results", [str(MAX_RESULTS_PER_RUN)])[0]
    if len(runs) > MAX_RUNS_GET_METRIC_HISTORY_BULK or not NUMBER.fullmatch(most):
        return None
    between = [asked[end][0] for end in ("start_step", "end_step") if end in asked]
    if int(most) > MAX_RESULTS_PER_RUN or len(between) == 1 or not all(map(STEP.fullmatch, between)):
        return None
    values: dict[str, Any] = {"runs": runs, "most": int(most)}
    if between:
        values["first"], values["last"] = map(int, between)
        if values["first"] > values["last"]:
            return None
    with store.ManagedSessionMaker() as session:
        if session.scalar(ACCESSIBLE_RUNS, {"runs": runs, "workspace": workspace}) < len(set(runs)):
            return None
        number, points = written(session, PART if between else WHOLE, name, **values)
    return f'{{"metrics": [{points}]}}'.encode() if number else b"{}"
