"""The revision of MLflow's tables: what the database has, what this image works with, the first creation."""

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, _initialize_tables
from mlflow.store.tracking.dbmodels.initial_models import Base as FirstTables
from mlflow.version import VERSION
from sqlalchemy import func, inspect, select
from sqlalchemy.engine import Connection, Engine

from .errors import SchemaError

BEHIND = (
    "nothing was changed, since migrating is a step of its own; the server that ran before still works: "
    "pulumi config set mlflow-tracking:image <the image that ran before> && pulumi up"
)
AHEAD = (
    "which does not know that one, so a newer image has migrated them; nothing was changed: "
    "pulumi config set mlflow-tracking:image <the newer image> && pulumi up"
)
FOREIGN = "the database holds tables that are not MLflow's; nothing was changed: MLflow needs one of its own"


def is_ready(engine: Engine) -> bool:
    """Tell whether the tables are at this image's revision; False when there are none yet.

    Raises:
        SchemaError: they are at another revision, or not MLflow's.
    """
    scripts = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    wanted = scripts.get_current_head()
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found is None and not _is_unused(connection):
            raise SchemaError(FOREIGN)
    if found in {None, wanted}:
        return found is not None
    known = {script.revision for script in scripts.walk_revisions()}
    raise SchemaError(
        f"the database's tables are at revision {found}, this image (MLflow {VERSION}) works with revision "
        f"{wanted}, {BEHIND if found in known else AHEAD}"
    )


def create(engine: Engine) -> None:
    """Create MLflow's tables in a database without any, or complete a creation that was cut off.

    MLflow commits its first five tables, then all migrations in one transaction: cut off in between, the
    database holds those five, empty and without a revision, and the same call goes on from there.
    """
    _initialize_tables(engine)


def _is_unused(connection: Connection) -> bool:
    tables = set(inspect(connection).get_table_names())
    first = FirstTables.metadata.tables
    return tables <= first.keys() and not any(
        connection.scalar(select(func.count()).select_from(first[name])) for name in tables
    )
