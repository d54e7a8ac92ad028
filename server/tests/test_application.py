"""What the layer before MLflow answers itself, what it hands on, and as whom."""

import json
import logging

import pytest

from server.tests.requests_to_mlflow import (
    ADMIN,
    NOBODY,
    READER,
    WRITER,
    ask,
    audited,
    refused,
)
from server.tracking_server.caller import Caller
from server.tracking_server.login import Request
from server.tracking_server.refusal import Refusal


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "body"), [("/health", b"OK"), ("/version", b"3.17.2")])
def test_health_and_version_are_open_and_never_reach_mlflow(method: str, path: str, body: bytes) -> None:
    seen = ask(method, path, NOBODY)
    assert not seen.asked
    assert not seen.reached
    assert (seen.status, seen.body) == (200, body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whether_it_is_ready_is_open_too_and_asked_of_the_checks(method: str) -> None:
    seen = ask(method, "/ready", NOBODY)
    assert not seen.asked
    assert not seen.reached
    assert (seen.status, seen.body) == (503, b"{}")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/health"),
        ("POST", "/ready"),
        ("GET", "/ready/"),
        ("GET", "/ready/x"),
        ("GET", "//ready"),
        ("OPTIONS", "/version"),
        ("GET", "/health/"),
        ("GET", "/health/x"),
        ("GET", "//health"),
        ("GET", "/HEALTH"),
        ("GET", "/"),
        ("GET", "/static-files/main.js"),
        ("GET", "/get"),
        ("POST", "/create"),
        ("OPTIONS", "/get"),
        ("GET", "/nowhere"),
        ("POST", "/sealed"),
        ("GET", "/workspaces"),
    ],
)
def test_nothing_else_is_open_or_differs_for_whoever_is_not_logged_in(method: str, path: str) -> None:
    seen = ask(method, path, NOBODY)
    assert refused(seen, 401) == NOBODY.message
    assert json.loads(seen.body)["error_code"] == "UNAUTHENTICATED"
    assert seen.headers[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "PERMISSION_DENIED"), (429, "REQUEST_LIMIT_EXCEEDED"), (503, "TEMPORARILY_UNAVAILABLE")],
)
def test_a_refusal_is_mlflows_json_and_says_when_to_come_again(status: int, code: str) -> None:
    seen = ask("GET", "/get", Refusal(status=status, rule="x", message="No: wait", retry_seconds=7))
    assert refused(seen, status) == "No: wait"
    assert json.loads(seen.body)["error_code"] == code
    assert seen.headers[b"retry-after"] == b"7"
    assert seen.headers[b"content-length"] == str(len(seen.body)).encode()


def test_only_http_is_served() -> None:
    seen = ask("GET", "/get", WRITER, kind="websocket")
    assert seen.messages == [{"type": "websocket.close", "code": 1008}]
    seen = ask("GET", "/get", WRITER, kind="something-new")
    assert seen.messages == []
    assert not seen.reached


@pytest.mark.parametrize(
    ("caller", "method", "path"),
    [
        (WRITER, "GET", "/get"),
        (WRITER, "POST", "/create"),
        (WRITER, "GET", "/"),
        (READER, "GET", "/get"),
        (READER, "GET", "/"),
    ],
)
def test_a_callers_request_reaches_mlflow_in_its_own_workspace_under_its_own_name(
    caller: Caller, method: str, path: str
) -> None:
    for named in ((), ((b"x-mlflow-workspace", b"vision"),) * 2, ((b"X-MLflow-Workspace", b"vision"),)):
        seen = ask(method, path, caller, *named)
        assert seen.handed_on == [(b"x-mlflow-workspace", b"vision")]
        assert seen.callers == [caller]
        assert (seen.status, seen.body) == (200, b"{}")


@pytest.mark.parametrize(
    "name",
    [
        b"authorization",
        b"Authorization",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x_mlflow_workspace",
        b"x-mlflow_workspace",
        b"content_length",
        b"X_Mlflow_Workspace",
    ],
)
def test_login_hops_and_second_spellings_are_kept_from_mlflow(name: bytes) -> None:
    others = ((b"host", b"mlflow.example.com"), (b"content-type", b"application/json"))
    seen = ask("GET", "/get", WRITER, (name, b"speech"), *others)
    assert seen.handed_on == [*others, (b"x-mlflow-workspace", b"vision")]


def test_the_login_hears_of_a_request_what_counts_for_it() -> None:
    headers = (
        (b"Authorization", b"Bearer x"),
        (b"host", b"MLflow.example.com:8443"),
        (b"x-forwarded-for", b"198.51.100.9, 192.0.2.1"),
        (b"accept", b"text/html,application/xhtml+xml"),
    )
    (request,) = ask("GET", "/get", NOBODY, *headers).asked
    assert request == Request(
        authorization=["Bearer x"], host="mlflow.example.com", address="192.0.2.1", browser=True
    )
    (request,) = ask("GET", "/get", NOBODY, (b"host", b"<script>"), (b"host", b"b")).asked
    assert request == Request(authorization=[], host="", address="10.0.0.1", browser=False)


def test_what_mlflow_does_not_serve_is_not_found_for_all_callers() -> None:
    for caller in (READER, WRITER, ADMIN):
        assert "no such route" in refused(ask("GET", "/nowhere", caller), 404)


def test_a_sealed_route_is_refused_with_its_reason_to_all_callers() -> None:
    for caller in (READER, WRITER, ADMIN):
        assert refused(ask("POST", "/sealed", caller), 403) == "It is sealed: no"


def test_a_reader_writes_nothing() -> None:
    assert refused(ask("POST", "/create", READER), 403).startswith("A reader changes nothing")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_write_leaves_a_line_with_its_status_and_a_read_none(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    ask("GET", "/get", WRITER, answer=(status, b"{}"))
    assert audited(caplog) == []
    ask("POST", "/create", WRITER, answer=(status, b"{}"))
    (line,) = audited(caplog)
    wanted = {"audit": "write", "who": "ada", "team": "vision", "level": "writer"}
    assert line.items() >= (wanted | {"route": "POST /mlflow/create", "status": status}).items()


def test_a_write_that_breaks_leaves_its_line_too(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError):
        ask("POST", "/create", WRITER, answer=(0, b""))
    (line,) = audited(caplog)
    assert line["status"] == 500


@pytest.mark.parametrize(
    ("asked", "status", "route"),
    [
        (("POST", "/create", READER), 403, "POST /mlflow/create"),
        (("POST", "/sealed", WRITER), 403, "POST /mlflow/sealed"),
        (("GET", "/get", ADMIN), 403, "GET /mlflow/get"),
        (("GET", "/workspaces/speech", WRITER), 404, "GET /mlflow/workspaces/{workspace_name}"),
        (("GET", "/no\n{where}", WRITER), 404, None),
    ],
)
def test_a_callers_refusal_leaves_a_line(
    asked: tuple[str, str, Caller], status: int, route: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    ask(*asked)
    (line,) = audited(caplog)
    wanted = {"audit": "refused", "who": asked[2].name, "route": route, "status": status}
    assert line.items() >= wanted.items()


def test_no_line_holds_login_query_or_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = ((b"authorization", b"Bearer mlflow-aws-v1.c2VjcmV0"), (b"referer", b"https://x/?secret"))
    for caller, path in (
        (NOBODY, "/get/secret"),
        (WRITER, "/secret"),
        (WRITER, "/create"),
        (READER, "/create"),
    ):
        ask("POST", path, caller, *headers)
    assert len(audited(caplog)) == 4
    assert not [word for word in ("c2VjcmV0", "secret", "Bearer") if word in caplog.text]
