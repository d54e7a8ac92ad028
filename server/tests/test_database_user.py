"""The server's database user, made by a master that is no superuser, as on RDS."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2.errors
import pytest
import sqlalchemy

from rehearsal.postgres import DATABASE, MASTER, Postgres
from rehearsal.rds_login import IS_IAM_USER
from server.tracking_server import database_user
from server.tracking_server.errors import DatabaseError
from server.tracking_server.settings import Backend

pytestmark = pytest.mark.rehearsal

BACKEND = Backend(
    region="eu-west-1",
    host="db.example",
    port=5432,
    database=DATABASE,
    user="mlflow",
    artifact_root="s3://abc",
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as postgres, closing(postgres.connect(MASTER)) as master:
        assert database_user.ensure(master, BACKEND)
        yield postgres


def rows(postgres: Postgres, statement: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def test_the_users_log_in_by_token_and_the_master_still_by_password(postgres: Postgres) -> None:
    assert rows(postgres, IS_IAM_USER, "mlflow") == [(True,)]
    assert rows(postgres, IS_IAM_USER, "mlflow_reader") == [(True,)]
    assert rows(postgres, IS_IAM_USER, MASTER) == [(False,)]


def test_nobody_is_a_member_of_the_user_and_no_other_role_is_left(postgres: Postgres) -> None:
    for user in ("mlflow", "mlflow_reader"):
        members = "SELECT member FROM pg_auth_members WHERE roleid = %s::regrole"
        assert not rows(postgres, members, user)
    roles = rows(postgres, "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg|rds)' ORDER BY 1")
    assert roles == [("mlflow",), (MASTER,), ("mlflow_reader",)]


@pytest.mark.parametrize("user", ["mlflow", "mlflow_reader"])
def test_the_user_may_log_in_and_no_more(postgres: Postgres, user: str) -> None:
    rights = "rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    (found,) = rows(postgres, f"SELECT {rights} FROM pg_roles WHERE rolname = %s", user)  # noqa: S608
    assert found == (True, False, False, False, False, False)
    granted = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole"
    assert rows(postgres, granted, user) == [("rds_iam",)]


def test_the_user_may_make_tables_in_its_database_and_everybody_else_nothing(postgres: Postgres) -> None:
    for kind, name, rights in (
        ("database", DATABASE, ("CONNECT",)),
        ("schema", "public", ("USAGE", "CREATE")),
    ):
        for right in rights:
            assert rows(postgres, f"SELECT has_{kind}_privilege('mlflow', %s, %s)", name, right) == [(True,)]
    for right in ("CREATE", "TEMPORARY"):
        assert rows(postgres, "SELECT has_database_privilege('mlflow', %s, %s)", DATABASE, right) == [
            (False,)
        ]
    for right in ("CONNECT", "TEMPORARY"):
        assert rows(postgres, "SELECT has_database_privilege('public', %s, %s)", DATABASE, right) == [
            (False,)
        ]
    assert rows(postgres, "SELECT has_schema_privilege('public', 'public', 'USAGE')") == [(False,)]


def test_the_reader_reads_what_there_is_and_makes_and_changes_nothing(postgres: Postgres) -> None:
    with closing(postgres.connect("mlflow")) as owner:
        owner.cursor().execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS value")
        owner.commit()
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://", creator=lambda: postgres.connect("mlflow"), poolclass=sqlalchemy.NullPool
    )
    database_user.let_read(engine, "mlflow")
    with closing(postgres.connect("mlflow_reader")) as reader:
        reader.autocommit = True
        cursor = reader.cursor()
        cursor.execute("SELECT value FROM kept")
        assert cursor.fetchall() == [(1,)]
        for change in ("UPDATE kept SET value = 2", "DELETE FROM kept", "CREATE TABLE made (value int)"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(change)


def test_a_second_time_changes_nothing(postgres: Postgres) -> None:
    rights = (
        "SELECT datacl::text, nspacl::text FROM pg_database, pg_namespace WHERE (datname, nspname) = (%s, %s)"
    )
    before = rows(postgres, rights, DATABASE, "public")
    with closing(postgres.connect(MASTER)) as master:
        assert not database_user.ensure(master, BACKEND)
    assert rows(postgres, rights, DATABASE, "public") == before


def test_the_login_that_was_taken_from_the_user_is_given_back(postgres: Postgres) -> None:
    with closing(postgres.connect()) as superuser:
        superuser.cursor().execute("REVOKE rds_iam FROM mlflow")
        superuser.commit()
    with closing(postgres.connect(MASTER)) as master:
        assert not database_user.ensure(master, BACKEND)
    assert rows(postgres, IS_IAM_USER, "mlflow") == [(True,)]


def test_a_master_without_an_rds_masters_rights_is_said_and_leaves_nothing(postgres: Postgres) -> None:
    said = r"^mlflow cannot make the database user another .* permission denied"
    with closing(postgres.connect("mlflow")) as no_master, pytest.raises(DatabaseError, match=said):
        database_user.ensure(no_master, replace(BACKEND, user="another"))
    assert not rows(postgres, "SELECT rolname FROM pg_roles WHERE rolname ~ 'another'")
