"""MLflow's app over a database of its own in this process, with our stores, and two teams' workspaces."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from server.tests import mlflow_server
from server.tracking_server.caller import CALLER, Caller, Level

ROOT = "s3://bucket"
WORKSPACES = ("vision", "vision2")
OURS, THEIRS = WORKSPACES


class Team:
    """One team's requests.

    Attributes:
        workspace: into which every request is pinned.
    """

    def __init__(self, app: Any, workspace: str) -> None:
        self._app = app
        self.workspace = workspace

    def ask(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, Any]:
        """Return status and JSON, or text where it is none."""
        token = CALLER.set(Caller(name=f"{self.workspace}-person", team=self.workspace, level=Level.WRITER))
        try:
            answer = self._app.test_client().open(
                path if path.startswith("/") else f"/api/2.0/mlflow/{path}",
                method=method,
                json=body,
                query_string=query or None,
                headers={"X-MLFLOW-WORKSPACE": self.workspace},
            )
        finally:
            CALLER.reset(token)
        try:
            return answer.status_code, json.loads(answer.get_data())
        except ValueError:
            return answer.status_code, answer.get_data(as_text=True)

    def get(self, path: str, /, **query: Any) -> Any:
        """Return what was read."""
        return self._well(*self.ask("GET", path, **query))

    def post(self, path: str, /, **body: Any) -> Any:
        """Return what was answered."""
        return self._well(*self.ask("POST", path, body))

    def experiment(self, name: str, **more: Any) -> str:
        """Create one and return its id."""
        return self.post("experiments/create", name=name, **more)["experiment_id"]

    def run(self, experiment_id: str, **more: Any) -> dict[str, Any]:
        """Create one and return it."""
        return self.post("runs/create", experiment_id=experiment_id, **more)["run"]

    def model(self, experiment_id: str, **more: Any) -> str:
        """Create a logged model and return its id."""
        return self.post("logged-models", experiment_id=experiment_id, **more)["model"]["info"]["model_id"]

    def trace(self, experiment_id: str, trace_id: str, **info: Any) -> dict[str, Any]:
        """Create one and return its information."""
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
        known = {
            "trace_id": trace_id,
            "trace_location": location,
            "request_time": "2026-11-23T12:00:00Z",
            "state": "OK",
        }
        answer = self.post("/api/3.0/mlflow/traces", trace={"trace_info": known | info})
        return answer["trace"]["trace_info"]

    @staticmethod
    def _well(status: int, answer: Any) -> Any:
        assert status == 200, answer
        return answer


@contextmanager
def serving(folder: Path, *, register: bool = True) -> Iterator[tuple[Team, Team]]:
    """Serve until the end of the block, after which MLflow in this process is what it was."""
    mlflow_server.load()
    from mlflow.entities import Workspace  # noqa: PLC0415
    from mlflow.server import app, handlers, workspace_helpers  # noqa: PLC0415
    from mlflow.store.artifact import artifact_repository_registry  # noqa: PLC0415
    from mlflow.tracking._model_registry import utils as registry_utils  # noqa: PLC0415
    from mlflow.tracking._tracking_service import utils  # noqa: PLC0415

    from server.tracking_server import stores  # noqa: PLC0415

    database = f"sqlite:///{folder / 'mlflow.db'}"
    environment = mlflow_server.ENVIRONMENT | {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ROOT,
    }
    registries = (
        handlers._tracking_store_registry._registry,
        handlers._model_registry_store_registry._registry,
        artifact_repository_registry._artifact_repository_registry._registry,
        utils._tracking_store_registry._registry,
    )
    with (
        patch.dict(os.environ, environment),
        patch.multiple(handlers, _tracking_store=None, _model_registry_store=None, _job_store=None),
        patch.multiple(workspace_helpers, _workspace_store=None),
        patch.multiple(utils, _tracking_uri=utils._tracking_uri),
        patch.multiple(registry_utils, _registry_uri=registry_utils._registry_uri),
        patch.dict(registries[0]),
        patch.dict(registries[1]),
        patch.dict(registries[2]),
        patch.dict(registries[3]),
    ):
        if register:
            stores.register(ROOT)
        handlers.initialize_backend_stores()
        for name in WORKSPACES:
            workspace_helpers._get_workspace_store().create_workspace(Workspace(name=name))
        ours, theirs = (Team(app, name) for name in WORKSPACES)
        yield ours, theirs
