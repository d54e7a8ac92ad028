"""The server reads artifacts with a role that reads every team's: nobody talks it into another team's."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rehearsal.tests.isolation.client import Answer, Request
from rehearsal.tests.isolation.foreign import OTHER
from rehearsal.tests.isolation.kept import objects
from rehearsal.tests.isolation.sameness import difference
from rehearsal.tests.isolation.seed import trace_info
from rehearsal.tests.isolation.values import Seeded, fresh, nowhere
from rehearsal.tests.isolation.world import World

pytestmark = pytest.mark.rehearsal

LOCATION, SPANS, ARCHIVE = (
    "mlflow.artifactLocation",
    "mlflow.trace.spansLocation",
    "mlflow.trace.archiveLocation",
)
JSON = ("Content-Type", "application/json")

Send = Callable[..., Answer]
# What is asked with one team's things, by another team that has things of its own; every answer counts.
Deputy = Callable[[Send, Seeded, Seeded], list[Answer]]


def _version(send: Send, source: str, **more: str) -> list[Answer]:
    name = fresh()
    send("POST", "/api/2.0/mlflow/registered-models/create", {"name": name})
    made = send("POST", "/api/2.0/mlflow/model-versions/create", {"name": name, "source": source, **more})
    of = f"name={name}&version=1"
    got = send("GET", f"/model-versions/get-artifact?{of}&path=note.txt")
    return [made, got, send("GET", f"/api/2.0/mlflow/model-versions/get-download-uri?{of}")]


def _trace(send: Send, own: Seeded, tags: dict[str, str]) -> tuple[str, Answer]:
    trace = f"tr-{fresh()}"
    info: dict[str, Any] = trace_info(own["experiment"], trace, "x")
    return trace, send("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": {**info, "tags": tags}}})


def _attached(send: Send, trace: str, own: Seeded) -> list[Answer]:
    path = f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={trace}"
    spans = send("GET", f"/api/3.0/mlflow/traces/get?trace_id={trace}")
    return [send("GET", f"{path}&path={own['attachment']}"), send("GET", path), spans]


def version_of_their_run(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    return _version(send, theirs["run_uri"], run_id=own["run"]) + _version(send, theirs["run_uri"])


def version_of_their_logged_model(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    return [
        *_version(send, theirs["logged_model_uri"], run_id=own["run"]),
        *_version(send, f"models:/{theirs['logged_model']}", model_id=own["logged_model"]),
        *_version(send, f"models:/{theirs['logged_model']}", model_id=theirs["logged_model"]),
        *_version(send, f"models:/{theirs['model_name']}/1"),
        *_version(send, f"runs:/{theirs['run']}/", run_id=theirs["run"]),
    ]


def version_by_dots(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    up = f"{own['run_uri']}/../../../../{theirs['team']}/{theirs['run_uri'].partition('/workspaces/')[2]}"
    return _version(send, up, run_id=own["run"]) + _version(
        send, up.replace("..", "%2e%2e"), run_id=own["run"]
    )


def version_by_spelling(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    uri = theirs["run_uri"]
    spelt = [uri.replace("s3://", each) for each in ("S3://", "s3:///", "s3a://", "s3://x@", "S3a://")]
    spelt += [uri.replace("/workspaces/", "//workspaces/"), f"{uri}?x", f"{uri}#x", f" {uri}", f"{uri}/."]
    return [answer for each in spelt for answer in _version(send, each, run_id=own["run"])]


def trace_with_location(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    trace, begun = _trace(send, own, {LOCATION: theirs["trace_uri"]})
    return [begun, *_attached(send, trace, own)]


def trace_given_location(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    answers = []
    for version in ("2.0", "3.0"):
        trace, _ = _trace(send, own, {})
        tag = {"key": LOCATION, "value": theirs["trace_uri"]}
        answers += [
            send("PATCH", f"/api/{version}/mlflow/traces/{trace}/tags", tag),
            *_attached(send, trace, own),
        ]
    return answers


def old_trace_with_location(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    tags = [{"key": LOCATION, "value": theirs["trace_uri"]}]
    about = {"experiment_id": own["experiment"], "timestamp_ms": 1, "tags": tags}
    begun = send("POST", "/api/2.0/mlflow/traces", about)
    trace = begun.json.get("trace_info", {}).get("request_id", "") if begun.status == 200 else ""
    return [begun, *(_attached(send, trace, own) if trace else [])]


def old_trace_ended_with_location(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    trace, _ = _trace(send, own, {})
    ended = {"timestamp_ms": 9, "status": "OK", "tags": [{"key": LOCATION, "value": theirs["trace_uri"]}]}
    said = send("PATCH", f"/api/2.0/mlflow/traces/{trace}", {"request_id": trace, **ended})
    return [said, *_attached(send, trace, own)]


def trace_archived_there(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    trace, _ = _trace(send, own, {})
    answers = [
        send("PATCH", f"/api/3.0/mlflow/traces/{trace}/tags", {"key": key, "value": value})
        for key, value in ((ARCHIVE, theirs["trace_uri"]), (SPANS, "ARCHIVE_REPO"))
    ]
    answers += _attached(send, trace, own)
    gone = {"experiment_id": own["experiment"], "request_ids": [trace]}
    return [*answers, send("POST", "/api/3.0/mlflow/traces/delete-traces", gone)]


def experiment_there(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    up = own["run_uri"].replace(own["experiment"], f"../{theirs['team']}/{theirs['experiment']}", 1)
    places = (
        theirs["run_uri"],
        up,
        up.replace("..", "%2e%2e"),
        f"{theirs['run_uri']}?x",
        theirs["run_uri"] + "/..",
    )
    answers = []
    for place in places:
        made = send(
            "POST", "/api/2.0/mlflow/experiments/create", {"name": fresh(), "artifact_location": place}
        )
        answers.append(made)
        if made.status == 200:
            about = {"experiment_id": made.json["experiment_id"], "start_time": 1}
            run = send("POST", "/api/2.0/mlflow/runs/create", about).json["run"]["info"]["run_id"]
            answers.append(send("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}"))
    return answers


def path_up(send: Send, theirs: Seeded, own: Seeded) -> list[Answer]:
    up = f"../../../../{theirs['team']}/{theirs['artifact']}"
    paths = (up, up.replace("/", "%2F"), up.replace("..", "%252e%252e"), "/" + theirs["artifact"], f"{up}%00")
    paths += (
        theirs["run_uri"] + "/note.txt",
        up.replace("/", "\\"),
        up.replace("..", "..;"),
        "file:///etc/passwd",
    )
    wheres = (
        f"/get-artifact?run_id={own['run']}&path=",
        f"/ajax-api/2.0/mlflow/logged-models/{own['logged_model']}/artifacts/files?artifact_file_path=",
        f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={own['trace']}&path=",
        f"/model-versions/get-artifact?name={own['model_name']}&version=1&path=",
        f"/api/2.0/mlflow/artifacts/list?run_id={own['run']}&path=",
        f"/api/2.0/mlflow/logged-models/{own['logged_model']}/artifacts/directories?artifact_directory_path=",
    )
    return [send("GET", where + path) for where in wheres for path in paths]


DEPUTIES: tuple[Deputy, ...] = (
    version_of_their_run, version_of_their_logged_model, version_by_dots, version_by_spelling,
    trace_with_location, trace_given_location, old_trace_with_location, old_trace_ended_with_location,
    trace_archived_there, experiment_there, path_up,
)  # fmt: skip


@pytest.mark.parametrize("deputy", DEPUTIES, ids=lambda deputy: deputy.__name__)
def test_server_is_nobodys_deputy(deputy: Deputy, world: World) -> None:
    def send(method: str, target: str, body: Any = None) -> Answer:
        raw = None if body is None else json.dumps(body).encode()
        return world.send(Request(method, target, raw, () if raw is None else (JSON,)), OTHER)

    before, absent = objects(world.stack), nowhere(world.own)
    with ThreadPoolExecutor(2) as pool:
        theirs, unknown = pool.map(lambda asked: deputy(send, asked, world.other), (world.own, absent))
    world.cells["deputies"] += len(theirs)
    assert not [answer.text for answer in theirs if world.own["mark"] in answer.text]
    assert len(theirs) == len(unknown)
    found = [difference(a, b, world.own, absent) for a, b in zip(theirs, unknown, strict=True)]
    assert not any(found), "\n".join(filter(None, found))
    assert objects(world.stack) == before
