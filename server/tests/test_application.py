import asyncio
from typing import Any

import pytest

from server.tracking_server.application import Application


def ask(path: str, method: str = "GET") -> tuple[list[str], list[dict[str, Any]]]:
    """Send one request; return the paths that reached MLflow, and what was answered."""
    reached: list[str] = []
    answered: list[dict[str, Any]] = []

    async def mlflow_app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(Application(mlflow_app)(scope, None, send))  # type: ignore[arg-type]
    return reached, answered


def test_the_health_check_never_reaches_mlflow_which_would_open_the_database() -> None:
    reached, (start, body) = ask("/health")
    assert not reached
    assert (start["status"], body["body"]) == (200, b"OK")


def test_the_assistant_is_sealed() -> None:
    reached, (start, _) = ask("/ajax-api/3.0/mlflow/assistant/message")
    assert not reached
    assert start["status"] == 404


@pytest.mark.parametrize("prefix", ["api", "ajax-api"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_clients_neither_make_nor_change_nor_delete_workspaces(prefix: str, method: str) -> None:
    for path in (f"/{prefix}/3.0/mlflow/workspaces", f"/{prefix}/3.0/mlflow/workspaces/speech"):
        reached, (start, body) = ask(path, method)
        assert not reached
        assert start["status"] == 403
        assert b"pulumi up" in body["body"]
        assert ask(path) == ([path], [])


@pytest.mark.parametrize("path", ["/", "/healthy", "/api/2.0/mlflow/runs/get", "/version"])
def test_everything_else_is_mlflows(path: str) -> None:
    assert ask(path) == ([path], [])
