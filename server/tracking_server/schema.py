"""The revision of MLflow's tables: what the database has, what this image works with, the way there."""

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, _initialize_tables, _upgrade_db
from mlflow.store.tracking.dbmodels.initial_models import Base as FirstTables
from mlflow.version import VERSION
from sqlalchemy import func, inspect, select
from sqlalchemy.engine import Connection, Engine

from .errors import SchemaError

BEHIND = (
    "nothing was changed, since migrating is a step of its own: scripts/upgrade.py; the server that ran "
    "before still works: pulumi config set mlflow-tracking:image <the image that ran before> && pulumi up"
)
AHEAD = (
    "which does not know that one, so a newer image has migrated them; nothing was changed: "
    "pulumi config set mlflow-tracking:image <the newer image> && pulumi up"
)
EMPTY = "the database holds no tables of MLflow's, so there is nothing to migrate: pulumi up"
FOREIGN = "the database holds tables that are not MLflow's; nothing was changed: MLflow needs one of its own"


def is_ready(engine: Engine) -> bool:
    """Tell whether the tables are at this image's revision; False when there are none yet.

    Raises:
        SchemaError: they are at another revision, or not MLflow's.
    """
    found, wanted, known = _revisions(engine)
    if found in {None, wanted}:
        return found is not None
    raise _other(found, wanted, BEHIND if found in known else AHEAD)


def revision_behind(engine: Engine) -> str | None:
    """Return the older revision of the tables; None when they are at this image's.

    Raises:
        SchemaError: they are at one that this image does not know, there are none, or they are not MLflow's.
    """
    found, wanted, known = _revisions(engine)
    if found is None:
        raise SchemaError(EMPTY)
    if found not in known:
        raise _other(found, wanted, AHEAD)
    return None if found == wanted else found


def migrate(engine: Engine) -> None:
    """Bring MLflow's tables to this image's revision, as `mlflow db upgrade` does.

    All migrations are one transaction: cut off in the middle, the tables are as they were.
    """
    _upgrade_db(engine)


def _revisions(engine: Engine) -> tuple[str | None, str | None, set[str]]:
    """Return the revision that the tables have, the one that this image wants, and all that it knows."""
    scripts = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        if found is None and not _is_unused(connection):
            raise SchemaError(FOREIGN)
    return found, scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}


def _other(found: str | None, wanted: str | None, what_to_do: str) -> SchemaError:
    return SchemaError(
        f"the database's tables are at revision {found}, this image (MLflow {VERSION}) works with revision "
        f"{wanted}, {what_to_do}"
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
