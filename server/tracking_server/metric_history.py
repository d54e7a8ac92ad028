"""The history of a metric, one run's or several runs': Postgres itself writes the JSON of each point."""

import json
import re
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.tracking import MAX_RESULTS_GET_METRIC_HISTORY
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy import TextClause, text

from .plain_query import plain_query

NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
MOST_RUNS = 100
SEPARATOR = ", "
# As Python writes a float: Postgres leaves out the point of a whole number, and writes 1e+15 from there on.
VALUE = """
CASE WHEN is_nan THEN :nan
    WHEN value = floor(value) AND abs(value) < 1e15 THEN value || '.0' ELSE value::text END
"""
# One point, as text: the caller gives the key, which Python writes.
POINT = f""":before || {VALUE} || ', "timestamp": ' || timestamp || ', "step": ' || step"""
ENDS_WITH_RUN = """ || ', "run_id": "' || run_uuid || '"}'"""
# One row with all points of a statement, in its order: a row for each took three times as long to fetch.
ALL = f"SELECT count(*), string_agg(point, '{SEPARATOR}') FROM (%s) AS points"  # noqa: S608
ACCESSIBLE = """
SELECT run_uuid FROM runs JOIN experiments USING (experiment_id)
WHERE run_uuid = ANY(:runs) AND experiments.workspace = :workspace
"""
# In the order of MLflow's own statement.
POINTS = f"""
SELECT {POINT} :end AS point FROM metrics WHERE key = :name AND run_uuid IN ({ACCESSIBLE})
ORDER BY run_uuid, timestamp, step, value OFFSET :offset LIMIT :limit
"""  # noqa: S608 - constants
# The answer for several runs names each point's.
ONE = text(ALL % POINTS.replace(":end", "|| '}'"))
BULK = text(ALL % POINTS.replace(":end", ENDS_WITH_RUN))


def one(store: Any, workspace: str, query: bytes, _body: bytes) -> bytes | None:
    """Answer get-history; None when MLflow must, which is so too when there is no point."""
    asked = plain_query(query, {"run_id", "run_uuid", "metric_key", "max_results", "page_token"})
    if asked is None or "run_id" not in asked or "metric_key" not in asked:
        return None
    (run,), (name,) = asked["run_id"], asked["metric_key"]
    most = asked.get("max_results", [None])[0]
    if asked.get("run_uuid", [run]) != [run] or (most is not None and not NUMBER.fullmatch(most)):
        return None
    try:
        offset = SearchUtils.parse_start_offset_from_page_token(asked.get("page_token", [None])[0])
    except (MlflowException, ValueError, TypeError, AttributeError):
        return None
    limit = int(most) if most else None
    asked_for = {"workspace": workspace, "runs": [run], "offset": offset, "limit": limit and limit + 1}
    with store.ManagedSessionMaker() as session:
        number, points = written(session, ONE, name, **asked_for)
    if not number:
        return None
    token = ""
    if limit and number > limit:
        # A quote in a key is escaped, so that only a point begins like this.
        points = points[: points.rfind(SEPARATOR + '{"key": "')]
        token = f', "next_page_token": "{SearchUtils.create_page_token(offset + limit).decode()}"'
    return f'{{"metrics": [{points}]{token}}}'.encode()


def bulk(store: Any, workspace: str, query: bytes, _body: bytes) -> bytes | None:
    """Answer get-history-bulk, which the UI draws with; None when MLflow must."""
    asked = plain_query(query, {"metric_key", "max_results"}, {"run_id"})
    if asked is None or "run_id" not in asked or "metric_key" not in asked:
        return None
    most = asked.get("max_results", [str(MAX_RESULTS_GET_METRIC_HISTORY)])[0]
    if len(asked["run_id"]) > MOST_RUNS or not NUMBER.fullmatch(most):
        return None
    limit = min(int(most), MAX_RESULTS_GET_METRIC_HISTORY)
    runs, name = asked["run_id"], asked["metric_key"][0]
    with store.ManagedSessionMaker() as session:
        number, points = written(
            session, BULK, name, nan="NaN", workspace=workspace, runs=runs, offset=0, limit=limit
        )
    return f'{{"metrics": [{points}]}}'.encode() if number else None


def written(
    session: Any, statement: TextClause, name: str, nan: str = '"NaN"', **values: Any
) -> tuple[int, str]:
    """Return how many points a statement selects, and their JSON; `nan` is how they write it."""
    values |= {"name": name, "before": f'{{"key": {json.dumps(name)}, "value": ', "nan": nan}
    number, points = session.execute(statement, values).one()
    return number, points
