"""Sends requests through the layer before MLflow, with a login, routes and an MLflow that tests choose."""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest

from server.tracking_server import application, asgi
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

    async def ready(send: Any) -> None:
        await asgi.answer(send, 503, b"{}")

    app = Application(mlflow_app, Login(), Audit(), version="3.17.2", ready=ready)  # type: ignore[arg-type]

    async def run() -> None:
        try:
            await app(scope, None, send)  # type: ignore[arg-type]
        finally:
            assert CALLER.get(None) is None  # whoever comes next is nobody yet

    logging.getLogger(NAME).propagate = True
    logging.getLogger(NAME).setLevel(logging.INFO)
    with patch.object(application, "classify", lambda method, path: ROUTES.get((method, path))):
        asyncio.run(run())
    return seen


def refused(seen: Seen, status: int) -> str:
    assert not seen.reached
    assert seen.status == status
    assert seen.headers[b"content-type"] == b"application/json"
    return str(json.loads(seen.body)["message"])


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == NAME]
