"""What the layer before MLflow answers itself, what it hands on, and as whom."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from server.tracking_server import application
from server.tracking_server.application import Application
from server.tracking_server.audit import NAME, Audit
from server.tracking_server.caller import CALLER, Caller, Level
from server.tracking_server.identity import Identity
from server.tracking_server.login import Request
from server.tracking_server.refusal import Refusal
from server.tracking_server.routes import Kind, Route

WRITER = Caller(name="ada", team="vision", level=Level.WRITER)
READER = Caller(name="ben", team="vision", level=Level.READER)
ADMIN = Caller(name="hedy", team=None, level=Level.ADMIN)
NOBODY = Refusal(status=401, rule="expired", message="The token is old: renew it")
ROUTES = {
    ("GET", "/"): Route(name="GET /", kind=Kind.ASSET),
    ("GET", "/get"): Route(name="GET /mlflow/get", kind=Kind.READ),
    ("POST", "/create"): Route(name="POST /mlflow/create", kind=Kind.WRITE),
    ("POST", "/sealed"): Route(name="POST /mlflow/sealed", kind=Kind.SEALED, reason="It is sealed: no"),
    ("GET", "/workspaces"): Route(name="GET /mlflow/workspaces", kind=Kind.WORKSPACES),
    ("GET", "/workspaces/vision"): Route(
        name="GET /mlflow/workspaces/{workspace_name}", kind=Kind.WORKSPACES
    ),
    ("POST", "/workspaces"): Route(name="POST /mlflow/workspaces", kind=Kind.WORKSPACES),
} | {
    (method, f"/workspaces/{name}"): Route(
        name=f"{method} /mlflow/workspaces/{{workspace_name}}", kind=Kind.WORKSPACES
    )
    for method in ("GET", "PATCH", "DELETE")
    for name in ("vision", "speech", "nowhere", "default")
}
LISTED = json.dumps({"workspaces": [{"name": "default"}, {"name": "speech"}, {"name": "vision"}]}).encode()
Header = tuple[bytes, bytes]


@dataclass
class Seen:
    """What became of one request."""

    asked: list[Request] = field(default_factory=list)
    reached: list[Any] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def handed_on(self) -> list[Header]:
        (scope,) = self.reached
        return list(scope["headers"])


@pytest.fixture(autouse=True)
def _routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(application, "classify", lambda method, path: ROUTES.get((method, path)))
    logging.getLogger(NAME).propagate = True
    logging.getLogger(NAME).setLevel(logging.INFO)
    return


def ask(
    method: str,
    path: str,
    caller: Caller | Refusal = WRITER,
    *headers: Header,
    answer: tuple[int, bytes] = (200, b"{}"),
    kind: str = "http",
) -> Seen:
    seen = Seen()

    class Login:
        async def caller(self, request: Request) -> tuple[Caller | Refusal, Identity | None]:
            seen.asked.append(request)
            return caller, None

    async def mlflow_app(scope: Any, _receive: Any, send: Any) -> None:
        seen.reached.append(scope)
        seen.callers.append(CALLER.get())
        if answer[0] == 0:
            raise RuntimeError("MLflow broke")
        length = (b"Content-Length", str(len(answer[1])).encode())
        await send({"type": "http.response.start", "status": answer[0], "headers": [length]})
        half = len(answer[1]) // 2
        await send({"type": "http.response.body", "body": answer[1][:half], "more_body": True})
        await send({"type": "http.response.body", "body": answer[1][half:]})

    async def send(message: Any) -> None:
        seen.messages.append(message)

    scope = {"type": kind, "method": method, "path": path, "headers": headers, "client": ("10.0.0.1", 1)}
    app = Application(mlflow_app, Login(), Audit(), "3.17.2")  # type: ignore[arg-type]

    async def run() -> None:
        try:
            await app(scope, None, send)  # type: ignore[arg-type]
        finally:
            assert CALLER.get(None) is None  # whoever comes next is nobody yet

    asyncio.run(run())
    return seen


def refused(seen: Seen, status: int) -> str:
    assert not seen.reached
    assert seen.status == status
    assert seen.headers[b"content-type"] == b"application/json"
    return str(json.loads(seen.body)["message"])


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == NAME]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "body"), [("/health", b"OK"), ("/version", b"3.17.2")])
def test_health_and_version_are_open_and_never_reach_mlflow(method: str, path: str, body: bytes) -> None:
    seen = ask(method, path, NOBODY)
    assert not seen.asked
    assert not seen.reached
    assert (seen.status, seen.body) == (200, body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/health"),
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
    "named",
    [
        [b"speech"],
        [b"nowhere"],
        [b"default"],
        [b""],
        [b" vision"],
        [b"Vision"],
        [b"vision,speech"],
        [b"vision", b"speech"],
        [b"speech", b"vision"],
        [b"vision\x00"],
        [b"v%69sion"],
        [b"\xff"],
    ],
)
def test_another_workspace_is_refused_alike_whether_it_exists_or_not(named: list[bytes]) -> None:
    for name in (b"x-mlflow-workspace", b"X-MLFLOW-WORKSPACE"):
        for method, path in (("GET", "/get"), ("POST", "/create"), ("GET", "/"), ("GET", "/workspaces")):
            seen = ask(method, path, WRITER, *((name, value) for value in named))
            message = refused(seen, 403)
            assert message == (
                "This login is team vision's, and the request names another: unset MLFLOW_WORKSPACE"
            )


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


@pytest.mark.parametrize(("method", "path"), [("GET", "/get"), ("POST", "/create"), ("GET", "/")])
def test_an_admin_works_in_the_team_it_names(method: str, path: str) -> None:
    seen = ask(method, path, ADMIN, (b"x-mlflow-workspace", b"speech"))
    assert seen.handed_on == [(b"x-mlflow-workspace", b"speech")]
    assert seen.callers == [ADMIN]


@pytest.mark.parametrize(
    "named",
    [
        [],
        [b"default"],
        [b"vision", b"speech"],
        # MLflow strips these, the bytes of Latin-1 too, and takes nothing for `default`.
        [b""],
        [b" "],
        [b"\xa0"],
        [b"default\xa0"],
        [b"\x85default"],
        [b"vision\x1f"],
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/get"), ("POST", "/create")])
def test_an_admin_that_names_no_team_is_told_to(method: str, path: str, named: list[bytes]) -> None:
    seen = ask(method, path, ADMIN, *((b"x-mlflow-workspace", value) for value in named))
    assert refused(seen, 403).endswith("export MLFLOW_WORKSPACE=<team>")


@pytest.mark.parametrize("path", ["/", "/workspaces"])
def test_an_admin_needs_no_team_for_page_and_list(path: str) -> None:
    assert ask("GET", path, ADMIN, answer=(200, LISTED)).handed_on == []


@pytest.mark.parametrize(
    ("caller", "names"), [(WRITER, ["vision"]), (READER, ["vision"]), (ADMIN, ["speech", "vision"])]
)
def test_the_list_of_workspaces_shows_what_the_caller_may_enter(caller: Caller, names: list[str]) -> None:
    seen = ask("GET", "/workspaces", caller, answer=(200, LISTED))
    assert [one["name"] for one in json.loads(seen.body)["workspaces"]] == names
    assert seen.headers == {b"content-length": str(len(seen.body)).encode()}


@pytest.mark.parametrize("answer", [(500, b"no database"), (200, b"")])
def test_an_answer_without_a_list_is_passed_on(answer: tuple[int, bytes]) -> None:
    seen = ask("GET", "/workspaces", WRITER, answer=answer)
    assert (seen.status, seen.body) == answer


@pytest.mark.parametrize("name", ["speech", "nowhere", "default"])
def test_another_workspace_answers_by_name_as_one_that_is_not_there(name: str) -> None:
    for caller in (WRITER, READER):
        seen = ask("GET", f"/workspaces/{name}", caller)
        assert refused(seen, 404) == f"Workspace '{name}' not found"
        assert json.loads(seen.body)["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_by_name_a_team_sees_its_own_workspace_and_an_admin_all_but_default() -> None:
    assert ask("GET", "/workspaces/vision", READER).status == 200
    assert ask("GET", "/workspaces/speech", ADMIN).status == 200
    assert refused(ask("GET", "/workspaces/default", ADMIN), 404) == "Workspace 'default' not found"


@pytest.mark.parametrize("caller", [READER, WRITER, ADMIN])
def test_clients_neither_make_nor_change_nor_delete_workspaces(caller: Caller) -> None:
    for method, path in (
        ("POST", "/workspaces"),
        ("PATCH", "/workspaces/vision"),
        ("DELETE", "/workspaces/vision"),
        ("DELETE", "/workspaces/nowhere"),
    ):
        assert refused(ask(method, path, caller), 403) == (
            "Workspaces are the stack's teams: change `teams`, then: pulumi up"
        )


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
