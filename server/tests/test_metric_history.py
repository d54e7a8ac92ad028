"""Which histories the fast path reads, how it pages through them, and which it leaves to MLflow."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from mlflow.utils.search_utils import SearchUtils

from server.tracking_server.metric_history import bulk, one

RUN = "0123456789abcdef" * 2
OTHER = "f" * 32


class Store:
    """Gives as many points as the statement asks for, as one text, and keeps what it was asked."""

    def __init__(self, points: int = 10) -> None:
        self.steps = range(points)
        self.asked: dict[str, Any] = {}

    @contextmanager
    def ManagedSessionMaker(self) -> Iterator[Any]:  # noqa: N802 - MLflow's name
        yield self

    def execute(self, _statement: Any, values: dict[str, Any]) -> Any:
        self.asked = values
        end = None if values["limit"] is None else values["offset"] + values["limit"]
        points = [f'{values["before"]}1, "step": {step}}}' for step in self.steps[values["offset"] : end]]
        return SimpleNamespace(one=lambda: (len(points), ", ".join(points) or None))


def history(store: Store, query: str) -> dict[str, Any] | None:
    answer = one(store, "vision", query.encode(), b"")
    return None if answer is None else json.loads(answer)


def token(offset: int) -> str:
    return SearchUtils.create_page_token(offset).decode()


def steps(answer: dict[str, Any] | None) -> list[int]:
    assert answer is not None
    return [point["step"] for point in answer["metrics"]]


def test_a_whole_history_is_one_answer_without_a_token() -> None:
    store = Store()
    answer = history(store, f"run_uuid={RUN}&run_id={RUN}&metric_key=gr%C3%B6%C3%9Fe")
    assert steps(answer) == list(range(10))
    assert answer is not None
    assert "next_page_token" not in answer
    assert store.asked["before"] == '{"key": "gr\\u00f6\\u00dfe", "value": '
    assert (store.asked["runs"], store.asked["workspace"]) == ([RUN], "vision")


def test_pages_follow_each_other_until_there_is_no_more() -> None:
    page = history(Store(), f"run_id={RUN}&metric_key=loss&max_results=4")
    assert steps(page) == [0, 1, 2, 3]
    assert page is not None
    assert page["next_page_token"] == token(4)
    again = f"run_id={RUN}&metric_key=loss&max_results=4&page_token="
    page = history(Store(), again + quote(page["next_page_token"]))
    assert steps(page) == [4, 5, 6, 7]
    assert page is not None
    assert page["next_page_token"] == token(8)
    page = history(Store(), again + quote(token(8)))
    assert steps(page) == [8, 9]
    assert page is not None
    assert "next_page_token" not in page


def test_a_page_ends_where_a_point_begins_whatever_the_key_says() -> None:
    key = quote('a, {"key": "b", "value": 1')
    page = history(Store(), f"run_id={RUN}&metric_key={key}&max_results=4")
    assert steps(page) == [0, 1, 2, 3]


def test_a_page_that_holds_all_has_no_token() -> None:
    answer = history(Store(), f"run_id={RUN}&metric_key=loss&max_results=10")
    assert answer is not None
    assert answer.keys() == {"metrics"}


@pytest.mark.parametrize(
    "query",
    [
        f"run_id={RUN}",
        f"run_uuid={RUN}&metric_key=loss",  # the older name alone
        "metric_key=loss",
        "",
        f"run_id={RUN}&run_uuid={OTHER}&metric_key=loss",
        f"run_id={RUN}&run_id={RUN}&metric_key=loss",
        f"run_id={RUN}&metric_key=loss&unknown=1",
        f"runId={RUN}&metric_key=loss",
        f"run_id={RUN}&metric_key=%FF",
        f"run_id={RUN}&metric_key=a%00",
        *(
            f"run_id={RUN}&metric_key=loss&max_results={most}"
            for most in ("0", "-1", "01", "1.0", "%201", "x", "", "1_0", "9" * 10, "%D9%A1")
        ),
        *(f"run_id={RUN}&metric_key=loss&page_token={text}" for text in ("x", "W10=", "Mg==", "%7B%7D")),
    ],
)
def test_an_unusual_question_is_mlflows(query: str) -> None:
    store = Store()
    assert history(store, query) is None
    assert not store.asked


def test_where_no_point_is_mlflow_says_why() -> None:
    assert history(Store(0), f"run_id={RUN}&metric_key=loss") is None
    assert bulk(Store(0), "vision", f"run_id={RUN}&metric_key=loss".encode(), b"") is None


def several(store: Store, *runs: str, end: str = "") -> bytes | None:
    return bulk(store, "vision", ("&".join(f"run_id={run}" for run in runs) + end).encode(), b"")


def test_several_runs_are_read_up_to_mlflows_limit() -> None:
    store = Store()
    answer = several(store, RUN, OTHER, end="&metric_key=loss")
    assert answer is not None
    assert steps(json.loads(answer)) == list(range(10))
    assert (store.asked["runs"], store.asked["limit"]) == ([RUN, OTHER], 25_000)
    several(store, RUN, end="&metric_key=loss&max_results=7")
    assert store.asked["limit"] == 7
    several(store, RUN, end="&metric_key=loss&max_results=25001")
    assert store.asked["limit"] == 25_000
    assert several(store, *[RUN] * 100, end="&metric_key=loss")


@pytest.mark.parametrize(
    ("runs", "end"),
    [
        (101, "&metric_key=loss"),
        (0, "&metric_key=loss"),
        (1, ""),
        (1, "&metric_key=a&metric_key=b"),
        (1, "&metric_key=loss&page_token=x"),
        *((1, f"&metric_key=loss&max_results={most}") for most in ("0", "-1", "x", "", "1.0")),
    ],
)
def test_an_unusual_question_for_several_is_mlflows(runs: int, end: str) -> None:
    store = Store()
    assert several(store, *[RUN] * runs, end=end) is None
    assert not store.asked


def test_an_answer_for_several_names_each_run_and_writes_nan_as_python_does() -> None:
    store = Store()
    several(store, RUN, end="&metric_key=loss")
    assert store.asked["nan"] == "NaN"
    history(store, f"run_id={RUN}&metric_key=loss")
    assert store.asked["nan"] == '"NaN"'
