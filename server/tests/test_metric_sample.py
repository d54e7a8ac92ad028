"""Which samples of histories the fast path answers, and which it leaves to MLflow."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from server.tests import mlflow_server

mlflow_server.load()

from server.tracking_server.metric_sample import PART, WHOLE, sample  # noqa: E402 - MLflow reads its environment

RUN = "0123456789abcdef" * 2
OTHER = "f" * 32
OF_RUN = f"run_ids={RUN}&metric_key=loss"


class Store:
    """Gives so many points of runs that are there, and keeps what it was asked."""

    def __init__(self, *there: str, points: int = 3) -> None:
        self.there = there
        self.points = [f'{{"step": {step}}}' for step in range(points)]
        self.workspace = ""
        self.asked: dict[str, Any] = {}
        self.statement: Any = None

    @contextmanager
    def ManagedSessionMaker(self) -> Iterator[Any]:  # noqa: N802 - MLflow's name
        yield self

    def scalar(self, _statement: Any, values: dict[str, Any]) -> int:
        self.workspace = values["workspace"]
        return len(set(self.there) & set(values["runs"]))

    def execute(self, statement: Any, values: dict[str, Any]) -> Any:
        self.statement, self.asked = statement, values
        return SimpleNamespace(one=lambda: (len(self.points), ", ".join(self.points) or None))


def ask(store: Store, query: str) -> Any:
    answer = sample(store, "vision", query.encode(), b"")
    return None if answer is None else json.loads(answer)


def test_a_sample_of_the_whole_history_is_answered() -> None:
    store = Store(RUN)
    assert ask(store, OF_RUN) == {"metrics": [{"step": 0}, {"step": 1}, {"step": 2}]}
    assert store.statement is WHOLE
    assert store.workspace == "vision"
    assert (store.asked["runs"], store.asked["name"], store.asked["most"]) == ([RUN], "loss", 2500)
    assert store.asked["nan"] == '"NaN"'


@pytest.mark.parametrize(
    ("first", "last"), [("0", "0"), ("-5", "7"), ("-999999999", "999999999"), ("10", "10")]
)
def test_a_sample_between_two_steps_is_answered(first: str, last: str) -> None:
    store = Store(RUN)
    assert ask(store, f"{OF_RUN}&start_step={first}&end_step={last}&max_results=320")
    assert store.statement is PART
    assert [store.asked[name] for name in ("first", "last", "most")] == [int(first), int(last), 320]


def test_runs_stay_in_the_order_they_were_asked_for_doubles_too() -> None:
    store = Store(RUN, OTHER)
    assert ask(store, f"run_ids={OTHER}&run_ids={RUN}&run_ids={OTHER}&metric_key=loss")
    assert store.asked["runs"] == [OTHER, RUN, OTHER]


def test_a_metric_without_points_is_an_empty_answer() -> None:
    assert ask(Store(RUN, points=0), OF_RUN) == {}


@pytest.mark.parametrize("there", [(), (OTHER,), (RUN,)])
def test_a_run_that_is_not_the_workspaces_is_mlflows_to_refuse(there: tuple[str, ...]) -> None:
    store = Store(*there)
    assert ask(store, f"run_ids={OTHER}&run_ids={RUN}&metric_key=loss") is None
    assert not store.asked


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"run_ids={RUN}",
        f"run_ids={RUN}&metric_key=",
        "metric_key=loss",
        "&".join([f"run_ids={RUN}"] * 101) + "&metric_key=loss",
        f"run_id={RUN}&metric_key=loss",
        f"runIds={RUN}&metric_key=loss",
        f"{OF_RUN}&metric_key=loss",
        f"{OF_RUN}&runIds={RUN}",
        f"{OF_RUN}&page_token=x",
        f"{OF_RUN}&run_ids=%FF",
        f"{OF_RUN}&run_ids=a%00",
        *(
            f"{OF_RUN}&max_results={most}"
            for most in ("0", "2501", "-1", "01", "1.0", "%201", "x", "", "1_0")
        ),
        f"{OF_RUN}&start_step=1",
        f"{OF_RUN}&end_step=1",
        f"{OF_RUN}&start_step=2&end_step=1",
        *(
            f"{OF_RUN}&start_step={step}&end_step=1000"
            for step in ("-0", "01", "+1", "%201", "1.0", "1e2", "x", "", "2147483648", "1_0", "%D9%A3")
        ),
    ],
)
def test_an_unusual_question_is_mlflows(query: str) -> None:
    store = Store(RUN)
    assert ask(store, OF_RUN) is not None
    store = Store(RUN)
    assert ask(store, query) is None
    assert not store.workspace


def test_a_hundred_runs_are_answered() -> None:
    assert ask(Store(RUN), "&".join([f"run_ids={RUN}"] * 100) + "&metric_key=loss&max_results=2500")
