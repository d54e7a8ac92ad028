"""The route that MLflow's own app would serve, and ways to write a path that is to be read in two."""

# ruff: noqa: PLC0415 - MLflow reads its environment when it is imported

from typing import Any
from urllib.parse import unquote

import pytest

from server.tracking_server import routes

OVERRIDES = [
    (name, value)
    for name in (b"x-http-method-override", b"x-http-method", b"x-method-override")
    for value in (b"GET", b"DELETE")
]


class Recorder:
    """MLflow's app, of which no route does anything: each says its name instead."""

    def __init__(self, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from fastapi.routing import iter_route_contexts
        from flask import request
        from mlflow.server import app as flask_app
        from mlflow.server import fastapi_app

        self._app = app
        self._served: str | None = None
        monkeypatch.setattr(fastapi_app, "resolve_workspace_for_request_if_enabled", lambda *_: None)

        def view(**_: Any) -> str:
            rule = request.url_rule
            assert rule
            self._served = routes._name(request.method, rule.rule)
            return ""

        monkeypatch.setattr(flask_app, "view_functions", dict.fromkeys(flask_app.view_functions, view))
        for context in iter_route_contexts(app.routes):
            if context.endpoint:
                monkeypatch.setattr(context._effective_route, "app", self._native(str(context.path)))

    def _native(self, path: str) -> Any:
        async def native(scope: Any, _receive: Any, send: Any) -> None:
            self._served = routes._name(scope["method"], path)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return native

    async def serve(self, method: str, path: str) -> str | None:
        """Return the name of the route that was reached."""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_: Any) -> None:
            pass

        self._served = None
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": b"/health",  # nobody may look at it
            "query_string": b"",
            "headers": [(b"host", b"localhost"), *OVERRIDES],
            "server": ("localhost", 80),
        }
        await self._app(scope, receive, send)
        return self._served


def tricks(path: str) -> set[str]:
    """The path as people write it who want it to be read in two ways, decoded once as uvicorn does."""
    head, _, tail = path.rpartition("/")
    first, _, rest = path[1:].partition("/")
    raw = {
        f"/{path}",
        f"//{path}",
        f"{path}/",
        f"{path}//",
        f"{head}//{tail}",
        f"/{first}//{rest}",
        f"{head}/./{tail}",
        f"{head}/x/../{tail}",
        f"/static-files/..{path}",
        f"{head}/%2e%2e/{tail}",
        f"{head}%2f{tail}",
        f"{head}%252f{tail}",
        f"{head}\\{tail}",
        f"{head}%5c{tail}",
        f"{path};x=1",
        f"{head};/{tail}",
        f"{path}%3b",
        f"{path}%00",
        f"{path}%0a",
        f"%0a{path}",
        f"{path}%20",
        f"%20{path}",
        f"{path}%09",
        f"{path}?x",
        f"{path}%3fx",
        f"{path}%23",
        path.upper(),
        path.capitalize(),
        path.title(),
        path.replace("mlflow", "MLflow"),
        path.replace("/", "\u2215"),
        path.replace("/", "\uff0f"),
        path.replace("a", "\uff41"),
        path.replace("/api", "/ajax-api"),
        path.replace("/ajax-api", "/api"),
        path.replace("2.0", "3.0"),
        path.replace("3.0", "2.0"),
        path.replace("3.0", "3%2e0"),
        path.replace("-", "%2d"),
        path.replace("e", "%65"),
        f"{path}%ff",
        f"{path}%c0%af",
        path[1:],
        f"http://localhost{path}",
        f"{path}/mlflow/server-info",
        f"{path}/health",
        f"/health{path}",
        f"/version{path}",
        f"/ready{path}",
    }
    return {unquote(text) for text in raw}
