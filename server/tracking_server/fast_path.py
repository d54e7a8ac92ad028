"""MLflow's hot writes, answered here where MLflow's answer is known; all else is handed on to MLflow."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from .plain_headers import headers_of, workspace_of
from .plain_writes import ROUTES, read
from .write_pool import WritePool

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

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
        if (workspace := workspace_of(scope["headers"], body=True)) and await receive_all(receive, messages):
            write = read(self.route, b"".join(message.get("body", b"") for message in messages))
            if write and await self.pool.write(write, workspace):
                await send({"type": "http.response.start", "status": 200, "headers": headers_of(BODY)})
                await send({"type": "http.response.body", "body": BODY})
                return
        await self.mlflow_app(scope, again(messages, receive), send)


async def receive_all(receive: Receive, messages: list[Message]) -> bool:
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


def again(messages: list[Message], receive: Receive) -> Receive:
    """Give the messages once more, and then what else comes."""
    left = iter(messages)

    async def again() -> Message:
        return next(left, None) or await receive()

    return again
