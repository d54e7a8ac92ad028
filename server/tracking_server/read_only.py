"""A session that sees one moment of a database and cannot change it."""

from collections.abc import Callable
from typing import Any

import psycopg2

from .database import connect, token_source
from .settings import Backend

# A right that was granted a moment ago may be refused for some seconds yet.
CONNECT_SECONDS = 120


def open_session(backend: Backend, say: Callable[[str], None]) -> Any:
    """Log in with a new token and return a psycopg2 connection, in one read-only transaction until it closes.

    Raises:
        DatabaseError: the database does not let us in.
    """
    new_token = token_source(backend)
    connection = connect(
        backend,
        lambda: psycopg2.connect(
            host=backend.host,
            port=backend.port,
            user=backend.user,
            dbname=backend.database,
            password=new_token(),
        ),
        CONNECT_SECONDS,
        say,
    )
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection
