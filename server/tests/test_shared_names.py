"""Names that two teams share, and what comes in by OpenTelemetry's own protocol."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from server.tests import mlflow_server
from server.tests.two_workspaces import OURS, ROOT, THEIRS, Team, serving
from server.tracking_server.caller import CALLER, Caller, Level

SPAN = {"name": "s", "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000", "kind": 1}
EVERYWHERE = "shared"


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Team, Team]]:
    with serving(tmp_path_factory.mktemp("shared")) as teams:
        yield teams


def export(experiment_id: str, trace: str, *, span: str = "1" * 16, attributes: Any = ()) -> int:
    """Send one span as an OpenTelemetry exporter of ours does, through the whole app; return the status."""
    spans = [SPAN | {"traceId": trace, "spanId": span, "attributes": list(attributes)}]
    body = json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}).encode()
    headers = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-mlflow-experiment-id": experiment_id,
        "x-mlflow-workspace": OURS,
    }
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": "/v1/traces",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("localhost", 80),
    }
    token = CALLER.set(Caller(name="ours", team=OURS, level=Level.WRITER))
    try:
        asyncio.run(mlflow_server.load()(scope, receive, send))
    finally:
        CALLER.reset(token)
    return status


def test_a_span_goes_into_an_experiment_of_the_own_workspace_only(teams: tuple[Team, Team]) -> None:
    ours, theirs = teams
    mine, foreign = ours.experiment("spans"), theirs.experiment("spans")
    assert export(mine, "a" * 32) == 200
    assert ours.get(f"/api/3.0/mlflow/traces/tr-{'a' * 32}")["trace"]["trace_info"]["trace_id"]
    assert export(foreign, "b" * 32) == export("987654", "b" * 32) == 404
    assert "traces" not in theirs.post("/api/3.0/mlflow/traces/search", locations=[location(foreign)])


def test_a_span_is_not_added_to_a_trace_of_theirs(teams: tuple[Team, Team]) -> None:
    ours, theirs = teams
    trace = f"tr-{'c' * 32}"
    theirs.trace(theirs.experiment("traced"), trace)
    info = theirs.get(f"/api/3.0/mlflow/traces/{trace}")
    assert export(ours.experiment("traced"), "c" * 32) == 200  # as any exporter is answered
    assert theirs.get(f"/api/3.0/mlflow/traces/{trace}") == info
    assert ours.ask("GET", f"/api/3.0/mlflow/traces/{trace}")[0] == 404


def test_a_span_names_no_place_from_which_the_server_would_read(teams: tuple[Team, Team]) -> None:
    ours, _ = teams
    place = f"{ROOT}/workspaces/{THEIRS}/1/x"
    attributes = [
        {"key": f"mlflow.traceTag.{key}", "value": {"stringValue": value}}
        for key, value in (
            ("mlflow.artifactLocation", place),
            ("mlflow.trace.archiveLocation", place),
            ("mlflow.trace.spansLocation", "ARCHIVE_REPO"),
        )
    ]
    assert export(ours.experiment("placed"), "d" * 32, attributes=attributes) == 200
    query = {"request_id": f"tr-{'d' * 32}"}
    status, answer = ours.ask("GET", "/ajax-api/2.0/mlflow/get-trace-artifact", **query)
    assert (status, f"{ROOT}/workspaces/{OURS}/" in answer["message"]) == (400, True)


def location(experiment_id: str) -> dict[str, Any]:
    return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}


def test_teams_share_names_and_nothing_more(teams: tuple[Team, Team]) -> None:
    """Everything that a name reaches is done by us, and theirs stays as it is."""
    ours, theirs = teams
    for team in teams:
        team.experiment(EVERYWHERE)
        team.post("registered-models/create", name=EVERYWHERE, tags=[{"key": "k", "value": team.workspace}])
        for version in ("1", "2"):
            source = f"{ROOT}/workspaces/{team.workspace}/m{version}"
            tags = [{"key": "k", "value": team.workspace}]
            team.post("model-versions/create", name=EVERYWHERE, source=source, tags=tags)
        team.post("registered-models/alias", name=EVERYWHERE, alias="champion", version="1")
    before = what_is_there(theirs)
    changes = [
        ("POST", "registered-models/set-tag", {"key": "k", "value": "changed"}),
        ("DELETE", "registered-models/delete-tag", {"key": "k"}),
        ("POST", "registered-models/alias", {"alias": "champion", "version": "2"}),
        ("POST", "registered-models/alias", {"alias": "new", "version": "2"}),
        ("DELETE", "registered-models/alias", {"alias": "champion"}),
        ("PATCH", "registered-models/update", {"description": "changed"}),
        ("POST", "model-versions/set-tag", {"version": "1", "key": "k", "value": "changed"}),
        ("DELETE", "model-versions/delete-tag", {"version": "1", "key": "k"}),
        ("PATCH", "model-versions/update", {"version": "1", "description": "changed"}),
        (
            "POST",
            "model-versions/transition-stage",
            {"version": "1", "stage": "Production", "archive_existing_versions": True},
        ),
        ("DELETE", "model-versions/delete", {"version": "1"}),
        ("POST", "registered-models/rename", {"new_name": "renamed"}),
    ]
    for method, path, body in changes:
        last = what_is_there(ours) if path != "registered-models/rename" else None
        assert ours.ask(method, path, body | {"name": EVERYWHERE})[0] == 200
        assert what_is_there(theirs) == before
        assert last is None or what_is_there(ours) != last
    assert ours.ask("DELETE", "registered-models/delete", {"name": "renamed"})[0] == 200
    assert what_is_there(theirs) == before


def what_is_there(team: Team) -> Any:
    """Return all that a team sees of the shared names."""
    return [
        team.get("experiments/get-by-name", experiment_name=EVERYWHERE),
        team.get("registered-models/get", name=EVERYWHERE),
        team.get("registered-models/get-latest-versions", name=EVERYWHERE),
        team.get("registered-models/search"),
        team.get("model-versions/search"),
        team.ask("GET", "registered-models/alias", name=EVERYWHERE, alias="champion"),
    ]
