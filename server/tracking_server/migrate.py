"""Brings MLflow's tables to this image's revision: by hand, as a task of its own, while no server runs.

Run it as `python -m tracking_server.migrate`, as often as you like. Exit codes: 0 the tables are at this
image's revision, 1 the database cannot be used or something of it is in use, 2 wrong settings, 3 the tables
are newer than this image or not MLflow's. With `--check` it only looks, while servers run: 4 there is
something to do.
"""

import logging
import os
import sys
import time
from contextlib import closing
from typing import Any

import psycopg2
import sqlalchemy
import sqlalchemy.exc

from . import database_lock
from .database import RETRY_SECONDS, URI, connect, log_in_by_token, token_source, words
from .errors import DatabaseError, StartError
from .mlflow_environment import migration_environment
from .settings import Database, MigrationSettings, read_migration

LOGIN_SECONDS = 60
TO_DO = 4
CHECK = "--check"
# Those of tasks that were stopped end with them; a migration that was cut off ends its statement first.
ALONE_SECONDS = 60
AT_HEAD = "the tables are at this image's revision"
SESSIONS = """
SELECT application_name, state FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND wait_event IS DISTINCT FROM 'advisory'  -- who waits for our lock has not begun
"""


def main() -> int:
    """Migrate, say each step on stdout or the one reason on stderr, and return the exit code."""
    try:
        settings = read_migration(os.environ)
        os.environ.update(migration_environment())
        if sys.argv[1:] == [CHECK]:
            return _check(settings)
        _migrate(settings)
    except StartError as error:
        return _fail(str(error), error.exit_code)
    except (psycopg2.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = words(getattr(error, "orig", error))
        return _fail(f"the database undid what was begun: {reason}", DatabaseError.exit_code)
    return 0


def _check(settings: MigrationSettings) -> int:
    """Say what there is to do, and return the exit code."""
    engine = _engine(settings.database)
    say("loading MLflow")
    from . import schema  # noqa: PLC0415 - reads its environment then

    if behind := schema.revision_behind(engine):
        say(f"to do: the tables are at revision {behind}")
    elif settings.adopting_team:
        say(f"to do: {settings.adopting_team} gets what lies in the workspace default")
    else:
        say(AT_HEAD)
        return 0
    return TO_DO


def _engine(database: Database) -> sqlalchemy.Engine:
    """Return where to log in by a token, as all of MLflow's engines do from now on."""
    new_token = token_source(database)
    say(f"logging in to the database at {database.host}:{database.port} as {database.user} by a token")
    log_in_by_token(new_token, lambda opening: connect(database, opening, LOGIN_SECONDS, say))
    return sqlalchemy.create_engine(URI, poolclass=sqlalchemy.NullPool)


def _migrate(settings: MigrationSettings) -> None:
    database = settings.database
    engine = _engine(database)
    with closing(engine.raw_connection()) as connection:
        say("waiting until no other task prepares or migrates the database")
        database_lock.take(connection.driver_connection)
        say("loading MLflow")
        # It reads its environment then, and takes seconds for which nobody should wait.
        from . import adoption, indexes, schema  # noqa: PLC0415

        behind = schema.revision_behind(engine)
        if behind or settings.adopting_team:
            _wait_until_alone(connection.driver_connection, database)
        if behind:
            say(f"migrating the tables from revision {behind}")
            _show_revisions()
            schema.migrate(engine)
        indexes.make(engine, say)
        if settings.adopting_team:
            adoption.adopt(engine, settings.adopting_team, say)
        elif runs := adoption.runs_without_team(engine):
            say(
                f"{runs} runs lie in the workspace default, which nobody sees: "
                "scripts/upgrade.py --adopting-team gives them to a team"
            )
        say(AT_HEAD)


def _wait_until_alone(connection: Any, database: Database) -> None:
    """Wait for the end of what else has logged in as the server's user.

    Raises:
        DatabaseError: something stays.
    """
    deadline = time.monotonic() + ALONE_SECONDS
    said = False
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(SESSIONS)
            others = sorted({f"{name or 'unnamed'} ({state})" for name, state in cursor.fetchall()})
        if not others:
            return
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"others are still logged in as {database.user} after {ALONE_SECONDS} s: "
                f"{', '.join(others)}; nothing was changed: stop the server's tasks, then run it again"
            )
        if not said:
            say(f"waiting until others log out: {', '.join(others)}")
            said = True
        time.sleep(RETRY_SECONDS)


def _show_revisions() -> None:
    """Let Alembic say each revision as it comes to it."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("migrate: %(message)s"))
    log = logging.getLogger("alembic.runtime.migration")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    log.propagate = False


def say(step: str) -> None:
    """Say on stdout what is done now."""
    print(f"migrate: {step}", flush=True)


def _fail(reason: str, code: int) -> int:
    print(f"migrate: {reason}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
