"""MLflow's model registry in which a version's source lies below its own workspace's prefix."""

import re
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS
from mlflow.server import handlers
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from .artifact_location import is_inside, refusal
from .artifact_repositories import OF_A_RUN

# A logged model's id, or a registered model's name and version; MLflow looks both up in the workspace.
OF_A_MODEL = re.compile(r"models:/[^/].*", re.DOTALL)


class ModelRegistryStore(WorkspaceAwareSqlAlchemyStore):
    """MLflow's own, apart from the source of a new version."""

    def __init__(self, db_uri: str, artifact_root: str) -> None:
        super().__init__(db_uri)
        self._root = artifact_root

    def create_model_version(self, name: str, source: str, *arguments: Any, **named: Any) -> Any:
        """Create it, if the server may show where it lies."""
        self._check(source)
        return super().create_model_version(name, source, *arguments, **named)

    def _check(self, source: str) -> None:
        if source in _PROMPT_SOURCE_PLACEHOLDERS or OF_A_MODEL.fullmatch(source):
            return
        if OF_A_RUN.fullmatch(source):
            # Another team's run is none.
            handlers._get_tracking_store().get_run(source.split("/")[1])  # noqa: SLF001
            return
        workspace = self._get_active_workspace()
        if not is_inside(self._root, workspace, source.removesuffix("/")):
            raise MlflowException.invalid_parameter_value(
                refusal(self._root, workspace, source, "source of a model version")
                + ", runs:/<run>/… or models:/… of the same workspace"
            )
