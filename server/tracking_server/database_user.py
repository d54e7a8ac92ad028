"""The server's own database user: logs in with IAM tokens, may make tables in its database, and no more."""

from typing import Any

import psycopg2
from psycopg2 import sql

from .database import words
from .errors import DatabaseError
from .settings import Backend

# Whoever creates a role without being superuser is made a member of it, and cannot leave. The user belongs to
# rds_iam, so the master would belong to it too, and RDS would refuse its password from then on. Hence another
# role creates the user, and is gone when the transaction commits.
CREATE = """
CREATE ROLE {creator} CREATEROLE;
GRANT {creator} TO CURRENT_USER;
SET LOCAL ROLE {creator};
CREATE ROLE {user} LOGIN;
RESET ROLE;
DROP ROLE {creator};
"""
GRANT = """
GRANT rds_iam TO {user};
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {user};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO {user};
"""


def ensure(master: Any, backend: Backend) -> bool:
    """Create the user if it is missing and set its rights, in one transaction; tell whether it was created.

    Args:
        master: a psycopg2 connection of the database's master, who owns the database.
        backend: names the user and the database.

    Raises:
        DatabaseError: the master lacks the rights of an RDS master.
    """
    names = {
        "user": sql.Identifier(backend.user),
        "creator": sql.Identifier(f"{backend.user}_creator"),
        "database": sql.Identifier(backend.database),
    }
    try:
        with master, master.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (backend.user,))
            missing = bool(cursor.rowcount == 0)
            if missing:
                cursor.execute(sql.SQL(CREATE).format(**names))
            cursor.execute(sql.SQL(GRANT).format(**names))
    except psycopg2.Error as error:
        raise DatabaseError(
            f"{master.info.user} cannot make the database user {backend.user} and its rights: {words(error)}"
        ) from None
    return missing
