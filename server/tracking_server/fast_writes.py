"""MLflow's hot writes, answered here where MLflow's answer is known; all else is handed on to MLflow."""

from dataclasses import dataclass

from .asgi import App, Message, Receive, Scope, Send, again, receive_all
from .plain_headers import headers_of, workspace_of
from .plain_writes import ROUTES, read
from .write_pool import WritePool

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
