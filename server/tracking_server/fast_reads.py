"""MLflow's slow reads, answered here where MLflow's answer is known; all else is handed on to MLflow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from . import metric_history, metric_sample, run_search
from .asgi import App, Message, Receive, Scope, Send, again, receive_all
from .plain_headers import headers_of, workspace_of

# Takes MLflow's tracking store, for its connections, workspace, query string and body; None: left to MLflow.
Read = Callable[[Any, str, bytes, bytes], bytes | None]
READS: dict[str, Read] = {
    "GET /mlflow/metrics/get-history": metric_history.one,
    "GET /mlflow/metrics/get-history-bulk": metric_history.bulk,
    "GET /mlflow/metrics/get-history-bulk-interval": metric_sample.sample,
    "POST /mlflow/runs/search": run_search.search,
}


def fast_reads(store: Any, mlflow_app: App) -> dict[str, App]:
    """Return the routes answered here, by name."""
    return {
        route: FastRead(method=route.split()[0], read=read, store=store, mlflow_app=mlflow_app)
        for route, read in READS.items()
    }


@dataclass(frozen=True, kw_only=True)
class FastRead:
    """One route, as an ASGI app before MLflow's; it reads in a thread, as MLflow does."""

    method: str
    read: Read
    store: Any
    mlflow_app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is plainly valid and finds something, or hand it on as it came."""
        messages: list[Message] = []
        posted = self.method == "POST"
        # HEAD is GET's route too.
        workspace = workspace_of(scope["headers"], body=posted) if scope["method"] == self.method else ""
        if workspace and (not posted or await receive_all(receive, messages)):
            body = b"".join(message.get("body", b"") for message in messages)
            found = await anyio.to_thread.run_sync(self._read, workspace, scope["query_string"], body)
            if found is not None:
                await send({"type": "http.response.start", "status": 200, "headers": headers_of(found)})
                await send({"type": "http.response.body", "body": found})
                return
        await self.mlflow_app(scope, again(messages, receive), send)

    def _read(self, workspace: str, query: bytes, body: bytes) -> bytes | None:
        try:
            return self.read(self.store, workspace, query, body)
        except (MlflowException, SQLAlchemyError):
            return None
