"""Databases of older MLflow releases, written by their own servers, as the one-off task migrates them."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from rehearsal.contents import Table, contents
from rehearsal.emulator import REGION
from rehearsal.older_release import FOLDER, RELEASES, OlderMlflow
from server.tests.conftest import ACCESS_LIST, World
from server.tracking_server import database_user
from server.tracking_server.database_lock import LOCK
from server.tracking_server.settings import Backend

pytestmark = pytest.mark.rehearsal

MIGRATE = ("-m", "tracking_server.migrate")
MIGRATE_SECONDS = 90
IMPATIENT = "import tracking_server.migrate as m; m.ALONE_SECONDS = 2; raise SystemExit(m.main())"
OF_THE_MIGRATION = ("AWS_REGION", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSSLMODE")
# What the task gets besides its own declaration: from the image, from the agent, from the rehearsal.
BROUGHT = ("PATH", "PYTHONPATH", "HOME", "PGSSLROOTCERT", "AWS_", "MLFLOW_HOST", "MLFLOW_PORT")
UNKNOWN = "ffffffffffff"


class Older:
    """A database that an older release has written; copies of it are migrated.

    Attributes:
        database: nobody changes it.
        before: what it holds.
        run_id: of the run that goes on.
        artifacts: the root its experiments were given.
    """

    def __init__(self, world: World, mlflow: OlderMlflow, folder: Path) -> None:
        self.world = world
        self.mlflow = mlflow
        self.release = mlflow.release
        self.folder = folder
        self.artifacts = str(folder / "artifacts")
        self.database = world.create_database(f"mlflow_{self.release.version.replace('.', '_')}")
        self.own_by_the_server(self.database)
        with self.server(self.database) as server:
            server.await_ready()
            environment = {"MLFLOW_TRACKING_URI": server.url}
            if self.release.workspaces:
                self.make_workspace("vision")
                environment["MLFLOW_WORKSPACE"] = "vision"
            said = mlflow.run(FOLDER / "write_data.py", environment)
        self.experiment, self.run_id = said.split()[-2:]
        self.before = self.contents(self.database)

    def own_by_the_server(self, database: str) -> None:
        """Make the user and its rights, as `prepare` does."""
        master = {"user": self.world.postgres.master, "host": str(self.world.postgres.folder)}
        with closing(psycopg2.connect(dbname=database, **master)) as connection:
            database_user.ensure(
                connection,
                Backend(
                    region=REGION,
                    host="",
                    port=0,
                    database=database,
                    user="mlflow",
                    artifact_root="s3://none",
                ),
            )

    def make_workspace(self, name: str) -> None:
        self.world.rows(self.database, "INSERT INTO workspaces (name, description) VALUES (%s, '')", name)

    def server(self, database: str) -> Any:
        url = f"postgresql+psycopg2://mlflow@/{database}?host={self.world.postgres.folder}"
        return self.mlflow.server(url, self.artifacts, self.folder / "server.log")

    def copy(self, name: str) -> str:
        return self.world.create_database(f"{self.database}_{name}", template=self.database)

    def contents(self, database: str, like: dict[str, Table] | None = None) -> dict[str, Table]:
        with closing(self.world.postgres.connect(database=database)) as connection:
            return contents(connection, like)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.version)
def older(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Older]:
    folder = tmp_path_factory.mktemp("older")
    began = time.monotonic()
    mlflow = OlderMlflow(request.param, folder / "environment")
    print(f"MLflow {request.param.version}: installed in {time.monotonic() - began:.1f} s")
    return Older(world, mlflow, folder)


def migration(world: World, database: str, **changes: str) -> dict[str, str]:
    """Return what the container that migrates sees, and nothing else of the stack."""
    whole = world.environment(database)
    brought = {name: value for name, value in whole.items() if name.startswith(BROUGHT)}
    told = brought | {name: whole[name] for name in OF_THE_MIGRATION} | changes
    return {name: value for name, value in told.items() if value}


def migrate(world: World, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    with world.start(environment, *MIGRATE, *arguments) as process:
        code = process.wait(MIGRATE_SECONDS)
    said = process.log.read_text()
    assert "Traceback" not in said
    return code, said


def revision(world: World, database: str) -> str:
    ((found,),) = world.rows(database, "SELECT version_num FROM alembic_version")
    return str(found)


def workspaces_of_runs(world: World, database: str) -> set[str]:
    return {
        name
        for (name,) in world.rows(
            database, "SELECT DISTINCT e.workspace FROM runs r JOIN experiments e USING (experiment_id)"
        )
    }


def test_an_older_database_keeps_every_row_and_is_then_served(
    older: Older, world: World, prepared: str
) -> None:
    assert revision(world, older.database) == older.release.revision
    assert older.before["runs"].rows == 5
    assert older.before["metrics"].rows > 100
    assert "spans" not in older.before or older.before["model_name"].rows == 1
    assert older.before["trace_info"].rows == older.before["trace_name"].rows == 1
    database = older.copy("migrated")
    refused, why = world.prepare(world.preparation(database))
    assert refused == 3, why
    assert f"at revision {older.release.revision}, this image (MLflow " in why
    assert f"works with revision {revision(world, 'mlflow')}, nothing was changed" in why
    assert "scripts/upgrade.py" in why
    code, said = migrate(world, migration(world, database), "--check")
    assert (code, f"to do: the tables are at revision {older.release.revision}" in said) == (4, True), said
    assert older.contents(database) == older.before

    code, said = migrate(world, migration(world, database))
    assert code == 0, (said, world.login.refusals)
    assert f"migrate: migrating the tables from revision {older.release.revision}" in said.splitlines()
    assert said.count("migrate: Running upgrade ") > 5
    assert "migrate: created the index runs_newest_first" in said.splitlines()
    assert said.splitlines()[-1] == "migrate: the tables are at this image's revision"
    assert older.contents(database, older.before) == older.before

    code, said = world.prepare(world.preparation(database))
    assert code == 0, said


def test_a_second_migration_finds_nothing_to_do(older: Older, world: World) -> None:
    database = older.copy("twice")
    for expected in (True, False):
        code, said = migrate(world, migration(world, database))
        assert code == 0, said
        assert ("Running upgrade" in said) is expected
    assert migrate(world, migration(world, database), "--check")[0] == 0
    assert migrate(world, migration(world, database, ADOPTING_TEAM="vision"), "--check")[0] == 4


def test_killed_in_the_middle_it_leaves_everything_as_it_was_and_the_next_one_completes(
    older: Older, world: World
) -> None:
    database = older.copy("killed")
    with closing(world.postgres.connect(database=database)) as blocker:
        # Held back uncommitted, this name stops the migrations after most of them have worked.
        blocker.cursor().execute("CREATE TABLE review_queues (id int)")
        with world.start(migration(world, database), *MIGRATE) as process:
            process.wait_ready(lambda: reason_not_blocked(world, database), seconds=MIGRATE_SECONDS)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
        # Nobody ends what it began: Postgres finds out that it is gone, although its statement waits.
        time.sleep(4)
        assert world.rows(database, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == []
        blocker.rollback()
    assert revision(world, database) == older.release.revision
    assert older.contents(database) == older.before
    code, said = migrate(world, migration(world, database))
    assert code == 0, said
    assert older.contents(database, older.before) == older.before
    assert world.prepare(world.preparation(database))[0] == 0


def reason_not_blocked(world: World, database: str) -> str | None:
    waiting = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    blocked = world.rows(database, waiting, database)
    return None if any("review_queues" in query for (query,) in blocked) else f"waiting for a lock: {blocked}"


def test_a_copy_made_before_the_migration_is_the_way_back(older: Older, world: World) -> None:
    database = older.copy("failed")
    assert migrate(world, migration(world, database))[0] == 0
    restored = older.copy("restored")
    assert older.contents(restored) == older.before
    with older.server(restored) as server:
        server.await_ready()


def test_what_lies_in_no_workspace_goes_to_the_team_that_is_named(older: Older, world: World) -> None:
    database = older.copy("adopted")
    code, said = migrate(world, migration(world, database))
    assert code == 0, said
    hint = "migrate: 5 runs lie in the workspace default, which nobody sees: "
    assert any(line.startswith(hint) for line in said.splitlines()) is not older.release.workspaces
    code, said = migrate(world, migration(world, database, ADOPTING_TEAM="vision"))
    assert code == 0, said
    assert workspaces_of_runs(world, database) == {"vision"}
    assert older.contents(database, older.before) == older.before or older.release.workspaces
    assert world.rows(database, "SELECT count(*) FROM registered_models WHERE workspace <> 'vision'") == [
        (0,)
    ]
    code, said = world.prepare(world.preparation(database))
    assert code == 0, said
    code, said = migrate(world, migration(world, database, ADOPTING_TEAM="vision"))
    assert (code, "gave" in said) == (0, False), said


@pytest.fixture(scope="module")
def new(world: World, prepared: str) -> str:
    """Return a database at this image's revision; copied, not changed."""
    return world.create_database("for_migrations", template="mlflow")


def test_adoption_stops_at_a_name_that_the_team_has(world: World, new: str) -> None:
    database = world.create_database("conflict", template=new)
    for workspace in ("default", "vision"):
        world.rows(
            database,
            "INSERT INTO experiments (name, lifecycle_stage, workspace) VALUES ('tumours', 'active', %s)",
            workspace,
        )
    code, said = migrate(world, migration(world, database, ADOPTING_TEAM="vision"))
    assert code == 1
    assert "experiments of the workspace default were not given to vision: " in said.splitlines()[-1] or (
        "'tumours'" in said
    )


def test_a_server_that_still_runs_is_named_and_nothing_is_changed(older: Older, world: World) -> None:
    database = older.copy("in_use")
    user = {"user": "mlflow", "host": str(world.postgres.folder), "application_name": "tracking-server"}
    with (
        closing(psycopg2.connect(dbname=database, **user)),
        world.start(migration(world, database), "-c", IMPATIENT) as process,
    ):
        assert process.wait(MIGRATE_SECONDS) == 1
    assert (
        "others are still logged in as mlflow after 2 s: tracking-server (idle); " in process.log.read_text()
    )
    assert older.contents(database) == older.before


def test_two_at_once_migrate_once(older: Older, world: World) -> None:
    database = older.copy("at_once")
    with ExitStack() as stack:
        processes = [stack.enter_context(world.start(migration(world, database), *MIGRATE)) for _ in range(2)]
        codes = [process.wait(MIGRATE_SECONDS) for process in processes]
    said = [process.log.read_text() for process in processes]
    assert codes == [0, 0], said
    assert sum("migrating the tables" in text for text in said) == 1


def test_it_waits_while_a_task_prepares(world: World, new: str) -> None:
    database = world.create_database("being_prepared", template=new)
    with closing(world.postgres.connect(database=database)) as other:
        other.cursor().execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        with world.start(migration(world, database), *MIGRATE) as process:
            process.wait_ready(lambda: reason_not_waiting(world, database), seconds=MIGRATE_SECONDS)
            other.close()
            assert process.wait(MIGRATE_SECONDS) == 0


def reason_not_waiting(world: World, database: str) -> str | None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = %s"
    return None if world.rows(database, waiting, database) else "not waiting for the lock"


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        ("ahead", "UPDATE alembic_version SET version_num = 'ffffffffffff'", f"are at revision {UNKNOWN}, "),
        (
            "empty",
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO mlflow",
            "pulumi up",
        ),
        ("foreign", "DROP TABLE alembic_version", "tables that are not MLflow's"),
    ],
)
def test_what_cannot_be_migrated_is_refused_and_left_alone(
    world: World, new: str, name: str, spoil: str, reason: str
) -> None:
    database = world.create_database(f"refused_{name}", template=new)
    world.rows(database, spoil)
    with closing(world.postgres.connect(database=database)) as connection:
        before = contents(connection)
        code, said = migrate(world, migration(world, database))
        assert (code, reason in said.splitlines()[-1]) == (3, True), said
        assert contents(connection) == before


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"DATABASE_MASTER_PASSWORD": "secret"}, 2, "DATABASE_MASTER_PASSWORD: is set, and not allowed here"),
        (
            {"ADOPTING_TEAM": "Vision"},
            2,
            "ADOPTING_TEAM: received 'Vision', allowed is team names of 2 to 63",
        ),
        ({"PGUSER": ""}, 2, "PGUSER: received nothing"),
        ({"PGUSER": "mlflow_admin"}, 1, "refuses: "),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": ""}, 1, "no AWS credentials to log in"),
    ],
)
def test_what_it_is_told_wrong_is_one_sentence(
    world: World, new: str, changes: dict[str, str], code: int, reason: str
) -> None:
    received, said = migrate(world, migration(world, new, **changes))
    assert received == code, said
    assert reason in said
    assert "secret" not in said
    assert ACCESS_LIST not in said
