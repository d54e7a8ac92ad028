"""What MLflow needs in its database before a request: tables, its first experiment, workspaces, an index."""

from collections.abc import Callable, Iterable

from mlflow.entities import Workspace
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.server import handlers
from mlflow.store.workspace.abstract_store import AbstractStore
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.engine import Engine

from . import indexes, schema
from .database import URI
from .settings import Backend

ALREADY = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)


def ensure(engine: Engine, backend: Backend, workspaces: Iterable[str], say: Callable[[str], None]) -> None:
    """Create what is missing; a workspace that is no longer named is kept.

    Raises:
        SchemaError: the tables are at another revision, or not MLflow's.
    """
    if not schema.is_ready(engine):
        say("creating MLflow's tables")
        schema.create(engine)
    # Makes the first experiment too, over which two servers that start at once would trip.
    handlers.initialize_backend_stores(URI, default_artifact_root=backend.artifact_root)
    make_workspaces(SqlAlchemyStore(URI), workspaces, say)
    indexes.make(engine, say)


def make_workspaces(store: AbstractStore, names: Iterable[str], say: Callable[[str], None]) -> None:
    """Create what is missing, whoever else does the same at the same time."""
    there = {workspace.name for workspace in store.list_workspaces()}
    for name in names:
        if name in there:
            continue
        try:
            store.create_workspace(Workspace(name=name))
        except MlflowException as error:
            if error.error_code != ALREADY:
                raise
        else:
            say(f"created the workspace {name}")
