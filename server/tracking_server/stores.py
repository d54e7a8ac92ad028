"""Puts this server's stores and its guard of artifacts in the place of MLflow's own."""

import functools
from typing import Any


def register(artifact_root: str) -> None:
    """Let MLflow make our stores instead of its own, and reach the pinned workspace's artifacts only."""
    # MLflow reads its environment when it is imported.
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.store.db.db_types import DATABASE_ENGINES  # noqa: PLC0415
    from mlflow.tracking._tracking_service import utils  # noqa: PLC0415

    from .artifact_repositories import guard_artifact_repositories  # noqa: PLC0415
    from .model_registry_store import ModelRegistryStore  # noqa: PLC0415
    from .tracking_store import TrackingStore  # noqa: PLC0415

    def tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
        return TrackingStore(store_uri, artifact_uri or artifact_root)

    def model_registry_store(store_uri: str) -> Any:
        return ModelRegistryStore(store_uri, artifact_root)

    def same_store(**_: Any) -> Any:
        return handlers._get_tracking_store()  # noqa: SLF001

    for scheme in DATABASE_ENGINES:
        # By a client of its own, in this process, MLflow looks up the sources of model versions.
        utils._tracking_store_registry.register(scheme, same_store)  # noqa: SLF001
        handlers._tracking_store_registry.register(scheme, tracking_store)  # noqa: SLF001
        handlers._model_registry_store_registry.register(scheme, model_registry_store)  # noqa: SLF001
    guard_artifact_repositories(artifact_root)


def keep_workspaces(store: Any) -> None:
    """Let a workspace store look up each workspace once; nobody may change or delete one here.

    MLflow looks it up for each request, in the event loop: a silent database would stop `/health` too.
    """
    store.get_workspace = functools.cache(store.get_workspace)
