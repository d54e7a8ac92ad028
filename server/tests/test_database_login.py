"""How the real server logs in to its database: a new token for each connection, over TLS that it checks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from rehearsal.certificates import CertificateAuthority
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import TIME_FORMAT
from server.tests.conftest import MASTER_PASSWORD, World
from server.tests.load import BY_MLFLOW, batch, create_run, under_load
from server.tests.own_database import OwnDatabase, own_database
from server.tests.served import SERVE, START_SECONDS, Server, started
from server.tracking_server.connections import MLFLOW, WRITES

pytestmark = pytest.mark.rehearsal

FRESH_SECONDS = 5  # from signing to presenting, on a busy machine
# As the server starts, with what makes its tokens in other hands.
WITH = """
import time, boto3, tracking_server.__main__ as server
from botocore import auth
{change}
raise SystemExit(server.main())
"""
OLD = """
import datetime
real = auth.get_current_datetime
auth.get_current_datetime = lambda *a, **k: real(*a, **k) - datetime.timedelta(minutes=16)
"""
ELSEWHERE = """
real = boto3.client
def client(*arguments, **named):
    made = real(*arguments, **named)
    if arguments[0] == "rds":
        token = made.generate_db_auth_token
        made.generate_db_auth_token = lambda _host, port, user: token("another.example", port, user)
    return made
boto3.client = client
"""


@dataclass(frozen=True)
class Login:
    """One login as the database saw it."""

    user: str
    password: str
    at: datetime


@pytest.fixture(scope="module")
def database(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDatabase]:
    with own_database(world, tmp_path_factory.mktemp("login")) as database:
        code, said = database.world.prepare(database.world.preparation())
        assert code == 0, said
        yield database


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Login]]:
    logins: list[Login] = []
    check = RdsLogin.check_password

    def note(login: RdsLogin, user: str, password: str) -> None:
        logins.append(Login(user, password, datetime.now(UTC)))
        check(login, user, password)

    with monkeypatch.context() as patch:
        patch.setattr(RdsLogin, "check_password", note)
        yield logins


def signed_at(login: Login) -> datetime:
    (date,) = parse_qs(login.password.partition("?")[2])["X-Amz-Date"]
    return datetime.strptime(date, TIME_FORMAT).replace(tzinfo=UTC)


def use_all_connections(server: Server, run: str) -> None:
    """Let each pool open what it may: MLflow's engine, the fast path's, the check's."""
    kinds = {
        "fast": [batch(run, f"f{time.monotonic()} {number}") for number in range(4)],
        "by MLflow": [batch(run, f"m{time.monotonic()} {number}", **BY_MLFLOW) for number in range(20)],
        "ready": [lambda _: ("/ready", None, {})],
    }
    with under_load(server, kinds) as load:
        time.sleep(3)
    assert load.unexpected() == []


def test_each_connection_of_each_pool_presents_a_token_signed_for_it_just_then(
    database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(monkeypatch) as logins, started(database.world, "fresh") as server:
        _, run = create_run(server, "fresh")
        use_all_connections(server, run)
        first = len(logins)
        # All of them again, later: no token of before is kept.
        time.sleep(2)
        database.front.cut()
        use_all_connections(server, run)
    assert first >= MLFLOW + WRITES + 1
    assert len(logins) - first >= MLFLOW + WRITES
    assert {login.user for login in logins} == {"mlflow"}
    assert not [login for login in logins if MASTER_PASSWORD in login.password]
    ages = [(login.at - signed_at(login)).total_seconds() for login in logins]
    assert max(ages) < FRESH_SECONDS
    assert min(ages) >= 0
    assert {login.password for login in logins[:first]}.isdisjoint(login.password for login in logins[first:])


@pytest.mark.parametrize(
    ("change", "reason"), [(OLD, "signed 9"), (ELSEWHERE, "made for address 'another.example:")]
)
def test_an_old_token_or_one_for_another_host_does_not_open_the_database(
    database: OwnDatabase, change: str, reason: str
) -> None:
    world = database.world
    before = len(world.login.refusals)
    command = f"import tracking_server.__main__ as s; s.CONNECT_SECONDS = 1{WITH.format(change=change)}"
    with world.start(world.environment(), "-c", command) as process:
        assert process.wait(START_SECONDS) == 1
    refusals = world.login.refusals[before:]
    assert refusals
    assert all(f"mlflow: {reason}" in refusal for refusal in refusals)
    said = process.log.read_text()
    assert 'PAM authentication failed for user "mlflow"' in said
    assert "X-Amz" not in said
    assert "Traceback" not in said


def test_a_database_behind_another_authority_is_left_before_a_token_is_sent(
    database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = database.world.folder / "another"
    folder.mkdir()
    wrong = str(CertificateAuthority(folder).bundle)
    with watched(monkeypatch) as logins:
        environment = database.world.environment(PGSSLROOTCERT=wrong)
        with database.world.start(environment, *SERVE) as process:
            assert process.wait(START_SECONDS) == 1
    assert "certificate verify failed" in process.log.read_text().splitlines()[-1]
    assert logins == []


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
def test_no_weaker_connection_is_ever_tried(
    database: OwnDatabase, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = database.world.environment(PGSSLMODE=mode)
    with watched(monkeypatch) as logins, database.world.start(environment, *SERVE) as process:
        assert process.wait(START_SECONDS) == 2
    assert process.log.read_text().startswith("tracking-server: PGSSLMODE")
    assert logins == []
