"""Makes the database ready before the server starts: user, tables, workspaces; checks, and never migrates.

Run it as `python -m tracking_server.prepare`, as often as you like and many at once. Exit codes: 0 ready,
1 the database or the bucket cannot be used, 2 wrong settings, 3 the tables are at another revision.
"""

import os
import sys
from contextlib import closing
from typing import Any

import psycopg2
import sqlalchemy
from psycopg2.errors import LockNotAvailable

from . import artifact_root, database_user
from .database import URI, connect, log_in_by_token
from .errors import DatabaseError, StartError
from .mlflow_environment import mlflow_environment
from .settings import PreparationSettings, read_preparation

# Together below the 120 s after which Fargate gives up on a container that others wait for.
CONNECT_SECONDS = 40
LOCK_SECONDS = 40
TOKEN_SECONDS = 15  # the master is in by then; a right that was just granted takes some seconds
# Any number, as long as every version of this program takes the same.
LOCK = 5_000


def main() -> int:
    """Prepare, say each step on stdout or the one reason on stderr, and return the exit code."""
    try:
        settings = read_preparation(os.environ)
        os.environ.update(mlflow_environment(settings.backend))
        _prepare(settings)
    except StartError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return error.exit_code
    _say("the database is ready")
    return 0


def _prepare(settings: PreparationSettings) -> None:
    backend = settings.backend
    artifact_root.check(backend)
    _say(f"the artifact root {backend.artifact_root} is there")

    def log_in_as_master() -> Any:
        return psycopg2.connect(user=settings.master_username, password=settings.master_password)

    with closing(connect(backend, log_in_as_master, CONNECT_SECONDS, _say)) as master:
        # Imports MLflow, which reads its environment then, and takes seconds for which nobody should wait.
        from . import tables  # noqa: PLC0415

        _lock(master)
        if database_user.ensure(master, backend):
            _say(f"created the database user {backend.user}")
        log_in_by_token(backend)
        engine = sqlalchemy.create_engine(URI, poolclass=sqlalchemy.NullPool)
        connect(backend, engine.connect, TOKEN_SECONDS, _say).close()
        tables.ensure(engine, backend, settings.workspaces, _say)


def _lock(master: Any) -> None:
    """Let the others wait for as long as this connection lasts, however the process ends."""
    master.autocommit = True
    try:
        with master.cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", (f"{LOCK_SECONDS}s",))
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    except LockNotAvailable:
        raise DatabaseError(f"another task has been preparing the database for {LOCK_SECONDS} s") from None
    master.autocommit = False


def _say(progress: str) -> None:
    print(f"prepare: {progress}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
