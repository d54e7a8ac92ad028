"""MLflow's hot writes, answered here where MLflow's answer is known; all else is handed on to MLflow."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlflow.environment_variables import MLFLOW_SERVER_X_FRAME_OPTIONS
from mlflow.server.fastapi_security import get_allowed_hosts
from mlflow.server.security_utils import is_allowed_host_header

from .plain_writes import ROUTES, read
from .workspaces import HEADER
from .write_pool import WritePool

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"application/json", b"application/json; charset=utf-8")
# By these MLflow refuses a request or reads its body in another way.
JUDGED_BY_MLFLOW = {b"origin", b"content-encoding"}
# Twice what MLflow's client sends at most.
LARGEST = 2_000_000
BODY = b"{}"


def fast_writes(pool: WritePool, mlflow_app: App) -> dict[str, App]:
    """Return the routes answered here, by name."""
    return {route: FastWrite(route=route, pool=pool, mlflow_app=mlflow_app) for route in ROUTES}


@dataclass(frozen=True, kw_only=True)
class FastWrite:
    """One route, as an ASGI app before MLflow's."""

    route: str
    pool: WritePool
    mlflow_app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose write is committed, or hand it on as it came."""
        messages: list[Message] = []
        if (workspace := _workspace(scope["headers"])) and await _receive_all(receive, messages):
            write = read(self.route, b"".join(message.get("body", b"") for message in messages))
            if write and await self.pool.write(write, workspace):
                await send({"type": "http.response.start", "status": 200, "headers": _headers()})
                await send({"type": "http.response.body", "body": BODY})
                return
        await self.mlflow_app(scope, _again(messages, receive), send)


def _workspace(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the request's; nothing when MLflow must judge its headers."""
    named = dict(headers)
    once = {name for name, _ in headers}
    if len(named) < len(headers) or once & JUDGED_BY_MLFLOW:
        return ""
    if named.get(b"content-type") not in JSON or not _is_allowed(named.get(b"host", b"")):
        return ""
    return named.get(HEADER, b"").decode("latin-1")


@lru_cache(maxsize=64)
def _is_allowed(host: bytes) -> bool:
    try:
        return is_allowed_host_header(get_allowed_hosts(), host.decode())
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=1)
def _headers() -> list[tuple[bytes, bytes]]:
    """Return what MLflow's answer has."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Origin"),
    ]
    frames = (MLFLOW_SERVER_X_FRAME_OPTIONS.get() or "NONE").upper()
    return headers if frames == "NONE" else [*headers, (b"x-frame-options", frames.encode())]


async def _receive_all(receive: Receive, messages: list[Message]) -> bool:
    """Tell whether all of the body came; what came is appended."""
    size = 0
    while size <= LARGEST:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request":
            return False
        if not message.get("more_body"):
            return True
    return False


def _again(messages: list[Message], receive: Receive) -> Receive:
    left = iter(messages)

    async def again() -> Message:
        return next(left, None) or await receive()

    return again
