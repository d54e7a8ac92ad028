"""The one way by which MLflow's server reaches artifacts: in S3, below the prefix of the pinned workspace.

The server's role reads the artifacts of every team, and many addresses come from clients: a model version's
source, a trace's tags, whatever an upgrade adds. All of them end in MLflow's registry of repositories.
"""

import re
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.artifact import artifact_repository_registry
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.utils.workspace_context import get_request_workspace

from .artifact_location import is_inside, refusal

# The run is looked up in the pinned workspace, and its artifacts come through here again. Two slashes could
# name another tracking server.
OF_A_RUN = re.compile(r"runs:/[0-9a-f]{32}(/.*)?", re.DOTALL)


def guard_artifact_repositories(artifact_root: str) -> None:
    """Take away every kind of repository but those guarded here."""

    def in_s3(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
        workspace = get_request_workspace() or ""
        if not is_inside(artifact_root, workspace, artifact_uri.removesuffix("/")):
            raise refused(artifact_root, workspace, artifact_uri)
        return S3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def of_a_run(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
        if not OF_A_RUN.fullmatch(artifact_uri):
            raise refused(artifact_root, get_request_workspace() or "", artifact_uri)
        return RunsArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def elsewhere(artifact_uri: str, **_: Any) -> Any:
        raise refused(artifact_root, get_request_workspace() or "", artifact_uri)

    guards: dict[str, Any] = {"s3": in_s3, "runs": of_a_run}
    registry = artifact_repository_registry._artifact_repository_registry  # noqa: SLF001
    for scheme in artifact_repository_registry.get_registered_artifact_repositories():
        registry.register(scheme, guards.get(scheme, elsewhere))


def refused(artifact_root: str, workspace: str, uri: str) -> MlflowException:
    """Return what a client is told."""
    return MlflowException.invalid_parameter_value(
        refusal(artifact_root, workspace, uri, "location of artifacts")
    )
