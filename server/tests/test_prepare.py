"""The database as the task's first container leaves it, however often, at once or interrupted it runs."""

import itertools
import os
import signal
from contextlib import ExitStack, closing

import pytest

import containers
from rehearsal.postgres import MASTER
from rehearsal.processes import free_port, listening_socket
from rehearsal.rds_login import RdsLogin
from server.tests.conftest import BUCKET, PREPARE, PREPARE_SECONDS, World
from server.tracking_server.database_lock import LOCK
from server.tracking_server.prepare import TOTAL_SECONDS

pytestmark = pytest.mark.rehearsal

AT_ONCE = 10
UNKNOWN = "ffffffffffff"
IMPATIENT = "import tracking_server.prepare as p; p.TOTAL_SECONDS = 4; raise SystemExit(p.main())"
# Each task has cores of its own; here all of them load MLflow on two.
PATIENT = "import tracking_server.prepare as p; p.TOTAL_SECONDS = 250; raise SystemExit(p.main())"
AT_ONCE_SECONDS = 260
PYTHON_STARTS_SECONDS = 15  # at worst, on a task's shared cores


def workspaces(world: World, database: str) -> set[str]:
    return {name for (name,) in world.rows(database, "SELECT name FROM workspaces")}


def test_an_empty_database_gets_user_tables_and_workspaces_each_said_in_a_line(
    world: World, prepared: str
) -> None:
    for line in (
        f"prepare: looking for the artifact root s3://{BUCKET}",
        "prepare: creating MLflow's tables",
        "prepare: created the workspace vision",
        "prepare: created the workspace speech",
        "prepare: created the index runs_newest_first",
        "prepare: the database is ready",
    ):
        assert line in prepared.splitlines()
    assert workspaces(world, "mlflow") == {"default", "vision", "speech"}


def test_the_servers_user_owns_mlflows_tables_and_neither_schema_nor_database(
    world: World, prepared: str
) -> None:
    owned = """
        SELECT 'table', relowner::regrole::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')
        UNION SELECT 'schema', nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'
        UNION SELECT 'database', datdba::regrole::text FROM pg_database WHERE datname = 'mlflow'
        """
    owners = dict(world.rows("mlflow", owned))
    assert owners.pop("table") == "mlflow"
    assert owners == {"schema": "pg_database_owner", "database": MASTER}


def test_a_second_time_only_adds_what_is_missing_and_keeps_teams_that_left(
    world: World, prepared: str
) -> None:
    database = world.create_database("second_time", template="mlflow")
    path = "/mlflow-tracking/changed/access"
    for team in ("vision", "robots"):
        world.list_team(team, path)
    # As a migration of MLflow's may, which does not know it.
    world.rows(database, "DROP INDEX runs_newest_first")
    code, said = world.prepare(world.preparation(database, ACCESS_LIST=path))
    assert code == 0, said
    assert [line for line in said.splitlines() if "creat" in line.lower() and line.startswith("prepare")] == [
        "prepare: created the workspace robots",
        "prepare: created the index runs_newest_first",
    ]
    assert workspaces(world, database) == {"default", "vision", "speech", "robots"}


def test_tasks_that_start_at_once_on_an_empty_database_all_succeed(world: World) -> None:
    database = world.create_database("at_once")
    with ExitStack() as stack:
        processes = [
            stack.enter_context(world.start(world.preparation(database), "-c", PATIENT))
            for _ in range(AT_ONCE)
        ]
        codes = [process.wait(AT_ONCE_SECONDS) for process in processes]
    said = [process.log.read_text() for process in processes]
    assert codes == [0] * AT_ONCE, said
    assert sum("creating MLflow's tables" in text for text in said) == 1
    assert workspaces(world, database) == {"default", "vision", "speech"}


def test_a_preparation_killed_in_the_middle_is_completed_by_the_next(world: World) -> None:
    database = world.create_database("killed")
    with closing(world.postgres.connect(database=database)) as blocker:
        # Held back uncommitted, this name stops the migrations in their middle.
        blocker.cursor().execute("CREATE TABLE trace_info (id int)")
        with world.start(world.preparation(database), *PREPARE) as process:
            process.wait_ready(lambda: reason_not_blocked(world, database), seconds=PREPARE_SECONDS)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
        blocker.rollback()
    code, said = world.prepare(world.preparation(database))
    assert code == 0, said
    assert "creating MLflow's tables" in said
    assert workspaces(world, database) == {"default", "vision", "speech"}


def reason_not_blocked(world: World, database: str) -> str | None:
    waiting = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'mlflow'"
    blocked = world.rows(database, waiting)
    return None if any("trace_info" in query for (query,) in blocked) else f"waiting for a lock: {blocked}"


def test_a_login_that_fails_once_in_the_middle_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = itertools.count()
    check = RdsLogin.check_password

    def fail_every_second(login: RdsLogin, user: str, password: str) -> None:
        if next(logins) % 2:
            raise login.refused(user, "as in a failover", "57P03", "the database system is shutting down")
        check(login, user, password)

    monkeypatch.setattr(RdsLogin, "check_password", fail_every_second)
    code, said = world.prepare(world.preparation(world.create_database("failing_over")))
    assert code == 0, said
    assert next(logins) > 6, "MLflow opened no connection of its own"
    assert "the database system is shutting down" in said


def test_a_database_at_another_revision_is_refused_and_left_alone(world: World, prepared: str) -> None:
    database = world.create_database("ahead", template="mlflow")
    world.rows(database, "UPDATE alembic_version SET version_num = %s", UNKNOWN)
    path = "/mlflow-tracking/late/access"
    world.list_team("latecomer", path)
    code, said = world.prepare(world.preparation(database, ACCESS_LIST=path))
    assert code == 3
    assert said.splitlines()[-1].startswith(f"prepare: the database's tables are at revision {UNKNOWN}, ")
    assert world.rows(database, "SELECT version_num FROM alembic_version") == [(UNKNOWN,)]
    assert "latecomer" not in workspaces(world, database)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ARTIFACT_ROOT": "s3://another-bucket"}, "the artifact root s3://another-bucket cannot be used: "),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": ""}, "Unable to locate credentials"),
        ({"STRANGER": "yes"}, "it needs s3:ListBucket under the prefix workspaces/*"),
        ({"DATABASE_MASTER_PASSWORD": "wrong"}, 'password authentication failed for user "mlflow_admin"'),
        ({"PGSSLROOTCERT": "STRANGER"}, "certificate verify failed"),
        ({"PGDATABASE": "elsewhere"}, 'database "elsewhere" does not exist'),
    ],
)
def test_what_cannot_be_used_is_one_sentence(world: World, changes: dict[str, str], reason: str) -> None:
    if changes.pop("STRANGER", None):
        changes |= world.stranger()
    if changes.get("PGSSLROOTCERT"):
        changes["PGSSLROOTCERT"] = world.foreign_authority()
    code, said = world.prepare(world.preparation(**changes))
    assert code == 1, said
    assert reason in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_database_that_does_not_come_is_waited_for_until_the_one_deadline(world: World) -> None:
    code, waiting, end = gives_up(world, free_port())
    assert code == 1
    assert waiting.startswith("prepare: waiting for the database at localhost:")
    assert waiting.endswith("Is the server running on that host and accepting TCP/IP connections?")
    assert end == waiting.replace("prepare: ", "prepare: gave up after 4 s at this step: ")


def test_the_deadline_holds_in_the_middle_of_a_call_that_nothing_interrupts(world: World) -> None:
    with listening_socket() as silent:
        port = silent.getsockname()[1]
        code, _, end = gives_up(world, port)
    assert code == 1
    assert end == f"prepare: gave up after 4 s at this step: logging in to the database at localhost:{port}"


def gives_up(world: World, port: int) -> tuple[int, str, str]:
    """Prepare with a short deadline; return the exit code and the last two lines."""
    with world.start(world.preparation(PGPORT=str(port)), "-c", IMPATIENT) as process:
        code = process.wait(PREPARE_SECONDS)
    *_, before, end = process.log.read_text().splitlines()
    return code, before, end


def test_a_task_waits_for_another_that_prepares_and_says_so(world: World, prepared: str) -> None:
    database = world.create_database("held", template="mlflow")
    with closing(world.postgres.connect(database=database)) as other:
        other.cursor().execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        with world.start(world.preparation(database), *PREPARE) as process:
            process.wait_ready(lambda: reason_not_locked_out(world, database), seconds=PREPARE_SECONDS)
            *_, waiting = process.log.read_text().splitlines()
            assert waiting == "prepare: waiting until no other task prepares the database"
            other.close()
            assert process.wait(PREPARE_SECONDS) == 0


def reason_not_locked_out(world: World, database: str) -> str | None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = %s"
    return None if world.rows(database, waiting, database) else "not waiting for the lock"


def test_the_deadline_comes_before_that_of_fargate() -> None:
    assert TOTAL_SECONDS + PYTHON_STARTS_SECONDS < containers.PREPARE_SECONDS


def test_wrong_settings_end_with_code_2_before_anything_is_touched(world: World) -> None:
    code, said = world.prepare(world.preparation(PGSSLMODE="require", ACCESS_LIST="access"))
    assert code == 2
    assert [line.partition(":")[0] for line in said.splitlines()] == ["prepare", "ACCESS_LIST"]
