"""`/ready` of a real server, while its database and its bucket go away and come back."""

import json
import time
from collections.abc import Iterator

import pytest

from rehearsal.processes import wait_until
from server.tests.conftest import BUCKET, RIGHTS, World
from server.tests.own_database import OwnDatabase, own_database
from server.tests.served import Server, started
from server.tracking_server.readiness import KEPT_SECONDS, LATEST_SECONDS

pytestmark = pytest.mark.rehearsal

# What it may take, and what a busy machine adds.
BOUND_SECONDS = LATEST_SECONDS + 2
# IAM's and the task role's own delay; then what was found before is forgotten.
CHANGE_SECONDS = 30


@pytest.fixture(scope="module")
def database(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDatabase]:
    with own_database(world, tmp_path_factory.mktemp("ready")) as database:
        code, said = database.world.prepare(database.world.preparation())
        assert code == 0, said
        yield database


@pytest.fixture(scope="module")
def server(database: OwnDatabase) -> Iterator[Server]:
    with started(database.world, "ready") as server:
        yield server


def ready(server: Server) -> tuple[int, dict[str, object]]:
    began = time.monotonic()
    status, text, headers = server.answer("/ready", Authorization="")
    assert time.monotonic() - began < BOUND_SECONDS
    assert headers["Cache-Control"] == "no-store"
    assert (headers["Retry-After"] is not None) is (status == 503)
    return status, json.loads(text)


def until(server: Server, wanted: tuple[int, dict[str, object]]) -> None:
    def reason() -> str | None:
        found = ready(server)
        return None if found == wanted else f"{found}"

    wait_until(reason, what="/ready", seconds=CHANGE_SECONDS, poll=0.5)


def test_it_is_ready_and_says_so_to_anybody(server: Server) -> None:
    until(server, (200, {"ready": True}))
    assert server.ask("/ready", {}, Authorization="")[0] == 401


def test_a_database_that_is_away_is_said_in_time_and_its_return_too(
    server: Server, database: OwnDatabase
) -> None:
    database.world.postgres.kill()
    try:
        until(server, (503, {"ready": False, "database": "it cannot be logged in to"}))
        # The load balancer's check: a blip must not end the task.
        assert server.ask("/health") == (200, "OK")
    finally:
        database.world.postgres.restart()
    until(server, (200, {"ready": True}))


def test_a_database_that_takes_no_writes_is_not_one(server: Server, database: OwnDatabase) -> None:
    database.world.rows("ready", "ALTER DATABASE ready SET default_transaction_read_only = on")
    try:
        until(server, (503, {"ready": False, "database": "it takes no writes"}))
    finally:
        reset = "ALTER DATABASE ready RESET default_transaction_read_only"
        database.world.rows("ready", f"SET TRANSACTION READ WRITE; {reset}")
    until(server, (200, {"ready": True}))


def test_a_bucket_that_is_denied_is_said_without_its_name_and_its_return_too(
    server: Server, database: OwnDatabase
) -> None:
    iam = database.world.emulator.client("iam")
    without = [right for right in RIGHTS if right["Action"] != "s3:ListBucket"]
    for rights, wanted in (
        (without, (503, {"ready": False, "bucket": "it cannot be listed"})),
        (RIGHTS, (200, {"ready": True})),
    ):
        policy = json.dumps({"Version": "2012-10-17", "Statement": rights})
        iam.put_role_policy(RoleName="task", PolicyName="rights", PolicyDocument=policy)
        until(server, wanted)
    # Who reads the log is told what is missing.
    assert "it needs s3:ListBucket under the prefix workspaces/*" in server.process.log.read_text()


def test_a_silent_database_is_said_in_time_too(server: Server, database: OwnDatabase) -> None:
    """Last, since nobody hears of this front again."""
    database.front.fall_silent()
    until(server, (503, {"ready": False, "database": f"no answer in {LATEST_SECONDS - 1} s"}))
    assert BUCKET not in server.ask("/ready", Authorization="")[1]
    time.sleep(KEPT_SECONDS)
    assert ready(server)[0] == 503
