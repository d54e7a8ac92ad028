"""The database users: the server's own, who makes tables, and one who only reads; both log in by tokens."""

from typing import Any

import psycopg2
from psycopg2 import sql
from sqlalchemy.engine import Engine

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
CLOSE = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""
GRANT = """
GRANT rds_iam TO {user};
GRANT CONNECT ON DATABASE {database} TO {user};
GRANT USAGE ON SCHEMA public TO {user};
"""
GRANT_TABLES = "GRANT CREATE ON SCHEMA public TO {user}"


def reader(user: str) -> str:
    """Return the name of the user who reads what this one owns: for the restore drill."""
    return f"{user}_reader"


def ensure(master: Any, backend: Backend) -> list[str]:
    """Create the users that are missing and set the rights of both, in one transaction; tell who was created.

    Args:
        master: a psycopg2 connection of the database's master, who owns the database.
        backend: names the server's user and the database.

    Raises:
        DatabaseError: the master lacks the rights of an RDS master.
    """
    created = []
    names = {"database": sql.Identifier(backend.database)}
    try:
        with master, master.cursor() as cursor:
            cursor.execute(sql.SQL(CLOSE).format(**names))
            for user in (backend.user, reader(backend.user)):
                names |= {"user": sql.Identifier(user), "creator": sql.Identifier(f"{user}_creator")}
                cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (user,))
                if cursor.rowcount == 0:
                    cursor.execute(sql.SQL(CREATE).format(**names))
                    created.append(user)
                cursor.execute(sql.SQL(GRANT).format(**names))
            cursor.execute(sql.SQL(GRANT_TABLES).format(user=sql.Identifier(backend.user)))
    except psycopg2.Error as error:
        raise DatabaseError(
            f"{master.info.user} cannot make the database user {backend.user} and its rights: {words(error)}"
        ) from None
    return created


def let_read(engine: Engine, user: str) -> None:
    """Let the reader see every table that there is; who is logged in, the server's own user, owns them."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{reader(user)}"')
