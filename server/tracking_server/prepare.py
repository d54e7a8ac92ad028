"""Makes the database ready before the server starts: user, tables, workspaces; checks, and never migrates.

Run it as `python -m tracking_server.prepare`, as often as you like and many at once. Exit codes: 0 ready,
1 the database, the bucket or the access list cannot be used, or not in time, 2 wrong settings, 3 the tables
are at another revision.
"""

import math
import os
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import sqlalchemy

from . import access_list, artifact_root, database_lock, database_user
from .database import URI, connect, log_in_by_token, token_source
from .deadline import Deadline
from .errors import StartError
from .mlflow_environment import mlflow_environment
from .settings import PreparationSettings, read_preparation

# For everything, MLflow's import too: after 120 s Fargate gives up on a container that others wait for, and
# says no reason. The difference is for Python to come to the first line of `main`.
TOTAL_SECONDS = 100


def main() -> int:
    """Prepare, say each step on stdout or the one reason on stderr, and return the exit code."""
    with Deadline(TOTAL_SECONDS, "prepare") as deadline:
        try:
            settings = read_preparation(os.environ)
            os.environ.update(mlflow_environment(settings.backend))
            _prepare(settings, deadline.say)
        except StartError as error:
            print(f"prepare: {error}", file=sys.stderr)
            return error.exit_code
        deadline.say("the database is ready")
        return 0


def _prepare(settings: PreparationSettings, say: Callable[[str], None]) -> None:
    backend = settings.backend
    say(f"looking for the artifact root {backend.artifact_root}")
    artifact_root.check(backend)
    say(f"reading the access list {settings.access_list}")
    access = access_list.load(settings.access_list, backend.region)
    for fault in access.faults:
        say(fault)

    def log_in_as_master() -> Any:
        return psycopg2.connect(user=settings.master_username, password=settings.master_password)

    say(f"logging in to the database at {backend.host}:{backend.port}")
    with closing(connect(backend, log_in_as_master, math.inf, say)) as master:
        say("loading MLflow")
        # It reads its environment then, and takes seconds for which nobody should wait.
        from . import tables  # noqa: PLC0415

        say("waiting until no other task prepares the database")
        database_lock.take(master)
        for user in database_user.ensure(master, backend):
            say(f"created the database user {user}")
        # MLflow opens several connections of its own, once each: any of them may meet a failover.
        log_in_by_token(token_source(backend), lambda opening: connect(backend, opening, math.inf, say))
        engine = sqlalchemy.create_engine(URI, poolclass=sqlalchemy.NullPool)
        say(f"logging in as {backend.user} by a token")
        engine.connect().close()
        say("looking at the tables")
        tables.ensure(engine, backend, access.teams, say)
        database_user.let_read(engine, backend.user)


if __name__ == "__main__":
    sys.exit(main())
