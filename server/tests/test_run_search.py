"""Which searches of runs the fast path answers, what it finds, and which it leaves to MLflow."""

import json
from typing import Any

import pytest
from mlflow.store.db.base_sql_model import Base
from mlflow.store.db.utils import _get_managed_session_maker
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLatestMetric, SqlParam, SqlRun, SqlTag
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy import Engine, create_engine, null
from sqlalchemy.orm import Session, sessionmaker

from server.tracking_server.run_search import search

RUNS = [f"{number:032x}" for number in range(5)]
DELETED = "d" * 32
FOREIGN = "f" * 32
TABLES = ("experiments", "runs", "latest_metrics", "params", "tags")


class Store:
    """MLflow's statements and sessions, on a database in memory."""

    def __init__(self, engine: Engine) -> None:
        self.ManagedSessionMaker = _get_managed_session_maker(sessionmaker(bind=engine), "sqlite")

    def _get_dialect(self) -> str:
        return "sqlite"

    def _get_run_inputs(self, *, run_uuids: list[str], **_: Any) -> list[Any]:
        return [[] for _ in run_uuids]

    def _get_model_outputs_bulk(self, *, run_ids: list[str], **_: Any) -> dict[str, Any]:
        return {run: [] for run in run_ids}


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, [Base.metadata.tables[name] for name in TABLES])
    with Session(engine) as session:
        for number, workspace in ((7, "vision"), (8, "speech"), (9, "vision"), (10, "vision")):
            session.add(SqlExperiment(experiment_id=number, name=str(number), workspace=workspace))
        for number, run in enumerate(RUNS):
            session.add(made(run, start_time=number))
            metric = {"value": number % 3, "timestamp": 1, "step": 2, "is_nan": number == 3}
            session.add(SqlLatestMetric(run_uuid=run, key="loss", **metric))
        session.add(SqlParam(run_uuid=RUNS[0], key="depth", value="3"))
        session.add(SqlTag(run_uuid=RUNS[1], key="mlflow.runName", value="named"))
        session.add(made(DELETED, start_time=0, lifecycle_stage="deleted"))
        session.add(made(FOREIGN, start_time=0, experiment_id=8))
        session.add(made("e" * 32, experiment_id=10, start_time=null()))
        session.commit()
    return engine


def made(run: str, **changes: Any) -> SqlRun:
    values = {
        "name": "",
        "user_id": "ada",
        "status": "RUNNING",
        "lifecycle_stage": "active",
        "experiment_id": 7,
    }
    return SqlRun(run_uuid=run, **values | changes)


@pytest.fixture
def store(engine: Engine) -> Store:
    return Store(engine)


def ask(store: Store, **changes: Any) -> dict[str, Any] | None:
    body = json.dumps({"experiment_ids": ["7"]} | changes).encode()
    answer = search(store, "vision", b"", body)
    return None if answer is None else json.loads(answer)


def found(store: Store, **changes: Any) -> list[str]:
    answer = ask(store, **changes)
    assert answer is not None
    return [run["info"]["run_id"] for run in answer.get("runs", [])]


def test_the_newest_runs_of_the_workspace_come_first(store: Store) -> None:
    assert found(store) == RUNS[::-1]
    assert found(store, experiment_ids=["7", "7"]) == RUNS[::-1]


def test_another_workspaces_runs_are_not_found(store: Store) -> None:
    assert found(store, experiment_ids=["7", "8"]) == RUNS[::-1]
    # What MLflow says of an experiment that is not there, it says.
    assert ask(store, experiment_ids=["8"]) is None
    assert ask(store, experiment_ids=["99"]) is None


def test_deleted_runs_are_found_where_they_are_asked_for(store: Store) -> None:
    assert found(store, run_view_type="DELETED_ONLY") == [DELETED]
    assert set(found(store, run_view_type="ALL")) == {*RUNS, DELETED}


def test_filter_and_order_are_mlflows(store: Store) -> None:
    assert found(store, filter="metrics.loss = 1", order_by=["start_time"]) == [RUNS[1], RUNS[4]]
    assert found(store, filter="params.depth = '3'") == [RUNS[0]]
    assert found(store, order_by=["metrics.loss DESC", "start_time"])[:3] == [RUNS[2], RUNS[1], RUNS[4]]
    assert ask(store, experiment_ids=["9"]) == {}


def test_pages_follow_each_other_until_there_is_no_more(store: Store) -> None:
    token = ""
    for page in (RUNS[4:2:-1], RUNS[2:0:-1], RUNS[:1]):
        answer = ask(store, max_results=2, page_token=token)
        assert answer is not None
        assert [run["info"]["run_id"] for run in answer["runs"]] == page
        token = answer.get("next_page_token", "")
    assert not token
    whole = ask(store, max_results=5)
    assert whole is not None
    assert "next_page_token" not in whole


def test_a_run_brings_what_belongs_to_it(store: Store) -> None:
    answer = ask(store, order_by=["start_time"])
    assert answer is not None
    first, second, _, fourth, _ = answer["runs"]
    assert first["info"] == {
        "run_uuid": RUNS[0],
        "run_id": RUNS[0],
        "run_name": "",
        "experiment_id": "7",
        "user_id": "ada",
        "status": "RUNNING",
        "start_time": 0,
        "lifecycle_stage": "active",
    }
    assert first["data"]["params"] == [{"key": "depth", "value": "3"}]
    assert first["data"]["metrics"] == [{"key": "loss", "value": 0.0, "timestamp": 1, "step": 2}]
    assert (first["inputs"], first["outputs"]) == ({}, {})
    assert second["info"]["run_name"] == "named"
    assert fourth["data"]["metrics"][0]["value"] == "NaN"


def test_a_run_of_an_older_mlflow_is_mlflows(store: Store) -> None:
    assert ask(store, experiment_ids=["10"]) is None


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"experiment_ids": ids}
            for ids in ([], None, "7", [7], ["x"], ["-7"], [" 7"], ["1" * 10], ["\u0667"])
        ),
        *({"max_results": most} for most in (0, -1, 50_001, "5", 1.0, True, None)),
        *({"run_view_type": view} for view in ("all", "x", "", 1, None)),
        *({"filter": text} for text in (None, 7, [])),
        *({"order_by": order} for order in ("start_time", [7], None, [["start_time"]])),
        *({"page_token": token} for token in (7, None)),
        {"experimentIds": ["7"]},
        {"unknown": 1},
    ],
)
def test_an_unusual_question_is_mlflows(store: Store, changes: dict[str, Any]) -> None:
    assert ask(store, max_results=50_000) is not None
    assert ask(store, **changes) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"filter": "x ="},
        {"filter": "metrics.loss = 'a'"},
        {"filter": "dataset.name = 'x'"},  # can find a run twice
        {"order_by": ["x"]},
        {"order_by": ["metrics.loss sideways"]},
        {"page_token": "x"},
        {"page_token": "W10="},
    ],
)
def test_what_mlflow_would_refuse_or_reads_in_another_way_is_mlflows(
    store: Store, changes: dict[str, Any]
) -> None:
    assert ask(store, **changes) is None


def test_a_token_is_mlflows_own(store: Store) -> None:
    token = SearchUtils.create_page_token(4).decode()
    assert found(store, page_token=token) == [RUNS[0]]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"{}"', b"\xff", b"[" * 100_000, b"{}"])
def test_what_is_no_object_is_mlflows_to_judge(store: Store, body: bytes) -> None:
    assert search(store, "vision", b"", body) is None
