"""Search of runs: MLflow's own clauses find the ids, plain statements what belongs to them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mlflow.entities import LifecycleStage, RunInputs, RunOutputs, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import SearchRuns
from mlflow.store.tracking import SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLatestMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import _get_orderby_clauses, _get_sqlalchemy_filter_clauses
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.proto_json_utils import message_to_json
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy import select

# What a field holds, and each thing in it where it holds several.
KNOWN: dict[str, type | tuple[type, type]] = {
    "experiment_ids": (list, str),
    "filter": str,
    "run_view_type": str,
    "max_results": int,
    "order_by": (list, str),
    "page_token": str,
}
VIEWS = {"ACTIVE_ONLY": ViewType.ACTIVE_ONLY, "DELETED_ONLY": ViewType.DELETED_ONLY, "ALL": ViewType.ALL}
INFO = (
    SqlRun.run_uuid, SqlRun.name, SqlRun.experiment_id, SqlRun.user_id, SqlRun.status, SqlRun.start_time,
    SqlRun.end_time, SqlRun.artifact_uri, SqlRun.lifecycle_stage,
)  # fmt: skip
# A column is a 32-bit INTEGER.
LONGEST_ID = 9


class _NotPlainError(Exception):
    """MLflow must judge it."""


def search(store: Any, workspace: str, _query: bytes, body: bytes) -> bytes | None:
    """Answer runs/search; None when MLflow must, which is so too when no experiment is the workspace's."""
    try:
        asked = _asked(json.loads(body))
        with store.ManagedSessionMaker() as session:
            return _answer(store, session, workspace, asked)
    except (MlflowException, ValueError, TypeError, AttributeError, RecursionError, _NotPlainError):
        return None


def _asked(given: Any) -> dict[str, Any]:
    if type(given) is not dict or not given.keys() <= KNOWN.keys():
        raise _NotPlainError
    for name, value in given.items():
        kind = KNOWN[name]
        outer, inner = kind if isinstance(kind, tuple) else (kind, None)
        if type(value) is not outer or (inner and any(type(each) is not inner for each in value)):
            raise _NotPlainError
    asked = {"filter": "", "order_by": [], "page_token": "", "run_view_type": "ACTIVE_ONLY"} | given
    asked.setdefault("max_results", SearchRuns().max_results)
    if not 0 < asked["max_results"] <= SEARCH_MAX_RESULTS_THRESHOLD or asked["run_view_type"] not in VIEWS:
        raise _NotPlainError
    ids = asked.get("experiment_ids", [])
    if not ids or any(not (each.isascii() and each.isdigit() and len(each) <= LONGEST_ID) for each in ids):
        raise _NotPlainError
    return asked


def _answer(store: Any, session: Any, workspace: str, asked: dict[str, Any]) -> bytes:
    most = asked["max_results"]
    offset = SearchUtils.parse_start_offset_from_page_token(asked["page_token"] or None)
    ids = _found(store, session, workspace, asked, offset)
    answer: dict[str, Any] = {}
    if len(ids) > most:
        del ids[most:]
        answer["next_page_token"] = SearchUtils.create_page_token(offset + most).decode()
    if ids:
        answer["runs"] = _runs(store, session, ids)
    return json.dumps(answer).encode()


def _found(store: Any, session: Any, workspace: str, asked: dict[str, Any], offset: int) -> list[str]:
    """Return the ids of a page's runs and of one more: MLflow's statement, without what slows it.

    That is DISTINCT over every column of every run: only datasets can find a run twice.
    """
    own = select(SqlExperiment.experiment_id).where(
        SqlExperiment.experiment_id.in_(map(int, asked["experiment_ids"])),
        SqlExperiment.workspace == workspace,
    )
    experiments = session.scalars(own).all()
    if not experiments:
        raise _NotPlainError
    cases, order, joins = _get_orderby_clauses(asked["order_by"], session)
    attributes, others, datasets = _get_sqlalchemy_filter_clauses(
        SearchUtils.parse_search_filter(asked["filter"]),
        session,
        store._get_dialect(),  # noqa: SLF001
    )
    if datasets:
        raise _NotPlainError
    statement = select(SqlRun.run_uuid, *cases)
    for other in others:
        statement = statement.join(other)
    for join in joins:
        statement = statement.outerjoin(join)
    stages = LifecycleStage.view_type_to_stages(VIEWS[asked["run_view_type"]])
    statement = (
        statement.where(
            _among(SqlRun.experiment_id, experiments), _among(SqlRun.lifecycle_stage, stages), *attributes
        )
        .order_by(*order)
        .offset(offset)
        .limit(asked["max_results"] + 1)
    )
    return list(session.execute(statement).scalars())


def _among(column: Any, values: Sequence[Any]) -> Any:
    """Compare with one value by `=`, so that Postgres may go by the order of an index."""
    return column == values[0] if len(values) == 1 else column.in_(values)


def _runs(store: Any, session: Any, ids: list[str]) -> list[dict[str, Any]]:
    metrics, params, tags = (defaultdict(list) for _ in range(3))
    latest = (SqlLatestMetric.run_uuid, SqlLatestMetric.key, SqlLatestMetric.value, SqlLatestMetric.is_nan)
    statement = select(*latest, SqlLatestMetric.timestamp, SqlLatestMetric.step)
    for run, key, value, is_nan, timestamp, step in session.execute(statement.where(latest[0].in_(ids))):
        number = "NaN" if is_nan else value
        metrics[run].append({"key": key, "value": number, "timestamp": timestamp, "step": step})
    for entity, pairs in ((SqlParam, params), (SqlTag, tags)):
        chosen = select(entity.run_uuid, entity.key, entity.value).where(entity.run_uuid.in_(ids))
        for run, key, value in session.execute(chosen):
            pairs[run].append({"key": key, "value": value})
    inputs = dict(zip(ids, store._get_run_inputs(run_uuids=ids, session=session), strict=True))  # noqa: SLF001
    outputs = store._get_model_outputs_bulk(run_ids=ids, session=session)  # noqa: SLF001
    infos = {row.run_uuid: row for row in session.execute(select(*INFO).where(SqlRun.run_uuid.in_(ids)))}
    return [
        {
            "info": _info(infos[run], tags[run]),
            "data": {
                name: values
                for name, values in (("metrics", metrics[run]), ("params", params[run]), ("tags", tags[run]))
                if values
            },
            "inputs": _in_json(RunInputs(dataset_inputs=inputs[run])) if inputs[run] else {},
            "outputs": _in_json(RunOutputs(outputs[run])) if outputs[run] else {},
        }
        for run in ids
    ]


def _info(row: Any, tags: list[dict[str, str]]) -> dict[str, Any]:
    if None in (row.user_id, row.status, row.start_time, row.lifecycle_stage):
        raise _NotPlainError  # of an older MLflow
    named = {tag["key"]: tag["value"] for tag in tags}
    name = row.name or named.get(MLFLOW_RUN_NAME, row.name)
    info = {
        "run_uuid": row.run_uuid,
        "run_id": row.run_uuid,
        "run_name": name,
        "experiment_id": str(row.experiment_id),
        "user_id": row.user_id,
        "status": row.status,
        "start_time": row.start_time,
        "end_time": row.end_time or None,
        "artifact_uri": row.artifact_uri or None,
        "lifecycle_stage": row.lifecycle_stage,
    }
    return {field: value for field, value in info.items() if value is not None}


def _in_json(entity: Any) -> Any:
    return json.loads(message_to_json(entity.to_proto()))
