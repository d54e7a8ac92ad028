"""What stands before MLflow's app: the health check without the database, and what clients may not do."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/health"
# It runs commands on the server for whoever comes from its own host, and MLflow has no switch for it.
ASSISTANT = "/ajax-api/3.0/mlflow/assistant"
# A workspace is a team of the stack: one made here has no roles, one deleted here takes a team's runs along.
WORKSPACES = ("/api/3.0/mlflow/workspaces", "/ajax-api/3.0/mlflow/workspaces")
LOOKING = {"GET", "HEAD", "OPTIONS"}


class Application:
    """MLflow's ASGI app behind what this stack answers itself."""

    def __init__(self, mlflow_app: App) -> None:
        self._mlflow_app = mlflow_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path == HEALTH:
            await _answer(send, 200, b"OK")
        elif path.startswith(ASSISTANT):
            await _answer(send, 404, b"The assistant is off on this server.")
        elif path.startswith(WORKSPACES) and scope["method"] not in LOOKING:
            await _answer(send, 403, b"Workspaces are the stack's teams: change `teams`, then pulumi up.")
        else:
            await self._mlflow_app(scope, receive, send)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
