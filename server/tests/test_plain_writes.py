"""Which bodies the fast path takes, and which it leaves to MLflow."""

import json
from typing import Any

import pytest

from server.tests import mlflow_server

mlflow_server.load()

from server.tracking_server.plain_writes import ROUTES, Write, read  # noqa: E402 - MLflow reads its environment

METRIC = "POST /mlflow/runs/log-metric"
BATCH = "POST /mlflow/runs/log-batch"
PARAMETER = "POST /mlflow/runs/log-parameter"
TAG = "POST /mlflow/runs/set-tag"
RUN = "0123456789abcdef" * 2


def metric(**changes: Any) -> Write | None:
    body = {"run_id": RUN, "key": "loss", "value": 0.5, "timestamp": 3, "step": 2} | changes
    return read(METRIC, json.dumps(body).encode())


def pair(route: str, **changes: Any) -> Write | None:
    return read(route, json.dumps({"run_id": RUN, "key": "k", "value": "v"} | changes).encode())


def test_what_mlflows_client_sends_is_taken() -> None:
    assert metric(run_uuid=RUN) == Write(run=RUN, metrics=[("loss", 0.5, 3, 2, False)])
    assert metric(value="NaN") == Write(run=RUN, metrics=[("loss", 0.0, 3, 2, True)])
    assert metric(value="-Infinity") == Write(
        run=RUN, metrics=[("loss", -1.7976931348623157e308, 3, 2, False)]
    )
    assert pair(PARAMETER, run_uuid=RUN) == Write(run=RUN, parameters=[("k", "v")])
    assert pair(TAG) == Write(run=RUN, tags=[("k", "v")])
    batch = {
        "run_id": RUN,
        "metrics": [
            {"key": "a", "value": 1, "timestamp": 0, "run_id": RUN},
            {"key": "b", "value": 2, "timestamp": 0},
        ],
        "tags": [{"key": "t", "value": ""}],
    }  # fmt: skip
    assert read(BATCH, json.dumps(batch).encode()) == Write(
        run=RUN, metrics=[("a", 1.0, 0, 0, False), ("b", 2.0, 0, 0, False)], tags=[("t", "")]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"value": value} for value in (float("nan"), float("inf"), 2**54, "1.5", "", True, None, [])
    ]
    + [{"timestamp": value} for value in (-1, 2**63, 1.0, "1", None, True)]
    + [{"step": value} for value in (2**63, -(2**63) - 1, 1.0, "1", None)]
    + [{"key": value} for value in ("", "..", "/x", "a\tb", "k" * 251, "\ud800", 7, None)]
    + [{"run_id": value} for value in ("", "x", RUN.upper(), RUN + "\n", RUN + "0", None, 7)]
    + [{"run_uuid": "0" * 32}, {"model_id": "m-1"}, {"dataset_name": "x"}, {"runId": RUN}, {"unknown": 1}],
)  # fmt: skip
def test_an_unusual_metric_is_mlflows_to_judge(changes: dict[str, Any]) -> None:
    assert metric() is not None
    assert metric(**changes) is None


@pytest.mark.parametrize(("route", "longest"), [(PARAMETER, 6000), (TAG, 8000)])
def test_a_text_that_mlflow_cuts_or_postgres_refuses_is_mlflows(route: str, longest: int) -> None:
    assert pair(route, value="x" * longest) is not None
    for value in ("x" * (longest + 1), "a\0b", "\ud800", 5, None):
        assert pair(route, value=value) is None


@pytest.mark.parametrize("route", [PARAMETER, TAG])
@pytest.mark.parametrize("key", [[7], {}, None, 7, "", "..", "k" * 251])
def test_a_key_that_is_none_is_mlflows_to_judge(route: str, key: Any) -> None:
    assert pair(route, key=key) is None


@pytest.mark.parametrize("key", ["mlflow.user", "mlflow.runName"])
def test_tags_that_are_more_than_tags_are_the_stores(key: str) -> None:
    batch = {"run_id": RUN, "tags": [{"key": key, "value": "v"}]}
    assert pair(TAG, key=key) is None
    assert read(BATCH, json.dumps(batch).encode()) is None
    assert pair(PARAMETER, key=key) is not None


@pytest.mark.parametrize(
    "batch",
    [
        {"metrics": [{"key": "a", "value": 1, "timestamp": 0}] * 1001},
        {"params": [{"key": f"p{number}", "value": ""} for number in range(101)]},
        {"tags": [{"key": "t", "value": ""}] * 101},
        {"metrics": [{"key": "a", "value": 1, "timestamp": 0}] * 1000, "tags": [{"key": "t", "value": ""}]},
        {"params": [{"key": "p", "value": "1"}, {"key": "p", "value": "1"}]},
        {"metrics": None},
        {"metrics": {}},
        {"metrics": [{"key": "a", "value": 1, "timestamp": 0, "model_id": "m-1"}]},
        {"metrics": [{"key": "a", "value": 1, "run_id": RUN}]},
        {"datasets": []},
    ],
)
def test_an_unusual_batch_is_mlflows_to_judge(batch: dict[str, Any]) -> None:
    assert read(BATCH, json.dumps({"run_id": RUN}).encode()) == Write(run=RUN)
    assert read(BATCH, json.dumps({"run_id": RUN} | batch).encode()) is None


@pytest.mark.parametrize("route", list(ROUTES))
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'"{}"', b"\xff", b"[" * 100_000, b"{}"])
def test_what_is_no_object_is_mlflows_to_judge(route: str, body: bytes) -> None:
    assert read(route, body) is None
