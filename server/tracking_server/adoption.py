"""What was made before there were workspaces lies in `default`, which no caller sees: it goes to a team."""

from collections.abc import Callable

from mlflow.entities import Workspace
from mlflow.store.db.workspace_move import RESOURCE_TYPE_CHOICES, move_resources
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlRun
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as SqlAlchemyTrackingStore
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import exists, func, or_, select
from sqlalchemy.engine import Engine

from .database import URI
from .errors import AdoptionError
from .workspaces import DEFAULT


def runs_without_team(engine: Engine) -> int:
    """Count the runs that lie in `default`."""
    runs = (
        select(func.count()).select_from(SqlRun).join(SqlExperiment).where(SqlExperiment.workspace == DEFAULT)
    )
    with engine.connect() as connection:
        return connection.execute(runs).scalar_one()


def adopt(engine: Engine, team: str, say: Callable[[str], None]) -> None:
    """Move all that lies in `default` into a team's workspace, as `mlflow db move-resources` does.

    Each kind moves in a transaction of its own; what has moved is not there to be moved again. Artifacts stay
    where they are.

    Raises:
        AdoptionError: the team has something of the same name.
    """
    store = SqlAlchemyStore(URI)
    if team not in {workspace.name for workspace in store.list_workspaces()}:
        store.create_workspace(Workspace(name=team))
        say(f"created the workspace {team}")
    for kind in RESOURCE_TYPE_CHOICES:
        names = _experiments(engine) if kind == SqlExperiment.__tablename__ else None
        if names == []:  # which it would take for all
            continue
        try:
            moved = move_resources(engine, store, DEFAULT, team, kind, names)
        except RuntimeError as error:
            # Its one error that is not about the arguments.
            raise AdoptionError(
                f"{kind} of the workspace {DEFAULT} were not given to {team}: {error}"
            ) from None
        if moved.row_count:
            say(f"gave {moved.row_count} {kind} of the workspace {DEFAULT} to {team}")


def _experiments(engine: Engine) -> list[str]:
    """Name what lies there; not the experiment that MLflow makes by itself, when nobody used it."""
    own = SqlAlchemyTrackingStore.DEFAULT_EXPERIMENT_ID
    used = exists().where(SqlRun.experiment_id == SqlExperiment.experiment_id)
    mine = select(SqlExperiment.name).where(
        SqlExperiment.workspace == DEFAULT, or_(SqlExperiment.experiment_id != int(own), used)
    )
    with engine.connect() as connection:
        return [*connection.scalars(mine)]
