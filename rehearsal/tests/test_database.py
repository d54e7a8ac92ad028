"""The login before Postgres, over real TLS: who gets in, who does not, and what passes through."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import psycopg2
import pytest

from rehearsal.certificates import CertificateAuthority
from rehearsal.database import DatabaseFront
from rehearsal.postgres import MASTER, Postgres
from rehearsal.processes import free_port, listening_socket, wait_until
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import DatabaseAddress

pytestmark = pytest.mark.rehearsal

REGION = "eu-west-1"
PASSWORD = "the master's"
KEYS = {"ALLOWED": "secret", "FORBIDDEN": "secret"}
# More than any buffer on the way.
LARGE = 20_000_000
SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    authority = CertificateAuthority(tmp_path_factory.mktemp("authority"))
    with ExitStack() as stack:
        listener = stack.enter_context(listening_socket())
        address = DatabaseAddress(host="localhost", port=listener.getsockname()[1], region=REGION)
        postgres = stack.enter_context(Postgres())
        with closing(postgres.connect()) as superuser:
            superuser.autocommit = True
            for role in ("mlflow IN ROLE rds_iam", "nested IN ROLE mlflow", "admin_only", "plain"):
                superuser.cursor().execute(f"CREATE ROLE {role.replace(' ', ' LOGIN ', 1)}")
            superuser.cursor().execute("GRANT mlflow TO admin_only WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        login = RdsLogin(
            postgres=postgres,
            address=address,
            master_password=PASSWORD,
            secret_of=lambda key, _session: KEYS.get(key),
            authorize=lambda key, _user: key == "ALLOWED",
        )
        certificate = authority.issue("database", "localhost")
        stack.enter_context(DatabaseFront(login, certificate, listener))
        yield SimpleNamespace(
            login=login, postgres=postgres, address=address, bundle=authority.bundle, certificate=certificate
        )


def connect(database: Any, user: str, password: str, **changes: object) -> Any:
    return psycopg2.connect(
        **{
            "host": "localhost",
            "port": database.address.port,
            "user": user,
            "password": password,
            "dbname": "mlflow",
            "sslmode": "verify-full",
            "sslrootcert": database.bundle,
        }
        | changes
    )


def token(database: Any, user: str, key: str = "ALLOWED") -> str:
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key="secret", region_name=REGION)
    return str(session.client("rds").generate_db_auth_token("localhost", database.address.port, user))


def refusal(database: Any, user: str, password: str, **changes: object) -> str:
    with pytest.raises(psycopg2.OperationalError) as error:
        connect(database, user, password, **changes)
    return str(error.value)


def test_a_member_of_rds_iam_gets_in_by_token_as_itself(database: Any) -> None:
    with closing(connect(database, "mlflow", token(database, "mlflow"))) as session:
        with session.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == ("mlflow",)
        assert session.info.ssl_in_use


def test_the_master_gets_in_by_password(database: Any) -> None:
    connect(database, MASTER, PASSWORD).close()


@pytest.mark.parametrize("user", ["mlflow", MASTER])
def test_nobody_gets_in_unencrypted(database: Any, user: str) -> None:
    password = PASSWORD if user == MASTER else token(database, user)
    said = refusal(database, user, password, sslmode="disable")
    assert (
        f'no pg_hba.conf entry for host "127.0.0.1", user "{user}", database "mlflow", no encryption' in said
    )


@pytest.mark.parametrize("user", ["mlflow", "nested", "admin_only"])
def test_a_member_of_rds_iam_however_it_became_one_needs_a_token(database: Any, user: str) -> None:
    assert f'PAM authentication failed for user "{user}"' in refusal(database, user, PASSWORD)


def test_a_token_of_a_role_without_the_right_is_refused(database: Any) -> None:
    presented = token(database, "mlflow", key="FORBIDDEN")
    assert 'PAM authentication failed for user "mlflow"' in refusal(database, "mlflow", presented)
    assert database.login.refusals[-1] == "mlflow: FORBIDDEN may not rds-db:connect"


@pytest.mark.parametrize(
    ("user", "password"), [(MASTER, "wrong"), ("plain", PASSWORD), ("nobody_there", PASSWORD)]
)
def test_a_wrong_password_or_user_is_refused(database: Any, user: str, password: str) -> None:
    assert f'password authentication failed for user "{user}"' in refusal(database, user, password)


def test_the_masters_token_is_no_password(database: Any) -> None:
    assert "password authentication failed" in refusal(database, MASTER, token(database, MASTER))


def test_the_certificate_can_be_checked(database: Any) -> None:
    assert 'does not match host name "127.0.0.1"' in refusal(
        database, MASTER, PASSWORD, host="127.0.0.1", sslmode="verify-full"
    )


def test_much_passes_both_ways(database: Any) -> None:
    with closing(connect(database, MASTER, PASSWORD)) as session, session.cursor() as cursor:
        cursor.execute("SELECT length(%s), repeat('x', %s)", ("y" * LARGE, LARGE))
        sent, received = cursor.fetchone()
    assert (sent, len(received)) == (LARGE, LARGE)


def test_a_client_that_goes_away_ends_its_session(database: Any) -> None:
    session = connect(database, MASTER, PASSWORD)
    pid = session.info.backend_pid
    session.close()

    def reason_still_there() -> str | None:
        with closing(database.postgres.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,))
            return None if cursor.fetchone() is None else "the session is still there"

    wait_until(reason_still_there, what="the end of the session", seconds=5)


def test_its_end_ends_open_sessions_and_frees_the_port(database: Any) -> None:
    address = DatabaseAddress(host="localhost", port=free_port(), region=REGION)
    login = RdsLogin(
        postgres=database.postgres,
        address=address,
        master_password=PASSWORD,
        secret_of=lambda _key, _session: None,
        authorize=lambda _key, _user: False,
    )
    for _ in range(2):
        with DatabaseFront(login, database.certificate):
            session = connect(database, MASTER, PASSWORD, port=address.port)
        with closing(session), pytest.raises(psycopg2.OperationalError):
            session.cursor().execute("SELECT 1")


def test_a_port_that_is_taken_is_said_at_once(database: Any) -> None:
    with pytest.raises(OSError, match="in use"), DatabaseFront(database.login, database.certificate):
        pass


def test_a_handshake_that_fails_is_a_refusal_with_its_reason(database: Any) -> None:
    before = len(database.login.refusals)
    with socket.create_connection(("127.0.0.1", database.address.port), timeout=5) as client:
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"S"
        client.sendall(b"this is no TLS")
        wait_until(
            lambda: None if len(database.login.refusals) > before else "nothing was refused",
            what="the refusal",
            seconds=5,
        )
    assert database.login.refusals[-1].startswith("a client: SSLError: ")


def test_an_error_inside_a_check_lets_nobody_in_and_is_kept_from_the_client(database: Any) -> None:
    def fail(_key: str, _user: str) -> bool:
        raise RuntimeError("IAM is away")

    with listening_socket() as listener:
        address = replace(database.address, port=listener.getsockname()[1])
        login = replace(database.login, address=address, authorize=fail, refusals=[])
        broken = SimpleNamespace(address=address, bundle=database.bundle)
        with DatabaseFront(login, database.certificate, listener):
            said = refusal(broken, "mlflow", token(broken, "mlflow"))
    assert "FATAL:  internal error" in said
    assert login.refusals == ["a client: RuntimeError: IAM is away"]
