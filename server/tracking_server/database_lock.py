"""One at a time: whoever makes or migrates tables holds this lock."""

from typing import Any

# Any number, as long as every version of this package takes the same.
LOCK = 5_000


def take(connection: Any) -> None:
    """Let the others wait for as long as this psycopg2 connection lasts, however the process ends.

    Raises:
        psycopg2.errors.LockNotAvailable: another holds it for longer than the session's `lock_timeout`.
    """
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    connection.autocommit = False
