"""An upgrade from the last MLflow 2, cut off in the middle, taken back, failing, and completed."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from rehearsal.older_release import RELEASES
from rehearsal.processes import wait_until
from rehearsal.teams import TEAM
from rehearsal.tests.upgraded import NEWER, OLDER, Client, Upgraded, older
from upgrading.snapshot import STOPPED_TAG, TAG, TASKS_TAG, tags

pytestmark = pytest.mark.rehearsal

DONE, FAILED, KILLED = 0, 1, -9
COPY = "the-way-back"
ADOPTING = ("--adopting-team", TEAM)
(RELEASE,) = [release for release in RELEASES if not release.workspaces]
DELIVERED = "SELECT count(*) FROM metrics WHERE run_uuid = %s AND key = 'goes-on'"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    with older(RELEASE, tmp_path_factory.mktemp("upgrade")) as world:
        yield world


@pytest.fixture(scope="module")
def client(world: Upgraded) -> Iterator[Client]:
    with world.logging() as client:
        yield client


def test_a_migration_that_is_cut_off_changes_nothing_and_the_way_back_lets_the_client_go_on(
    world: Upgraded, client: Client, tmp_path: Path
) -> None:
    ecs, cluster = world.stack.emulator.client("ecs"), world.names["cluster"]
    with closing(world.stack.postgres.connect()) as blocker:
        # Held back uncommitted, this name stops the migrations after most of them have worked.
        blocker.cursor().execute("CREATE TABLE review_queues (id int)")
        code, said = world.upgrade(*ADOPTING, log=tmp_path / "killed", when="Running upgrade")
        assert code == KILLED, said
        paused = world.contents()
        running = ecs.list_tasks(cluster=cluster, startedBy="upgrade", desiredStatus="RUNNING")["taskArns"]
        (task,) = running
        ecs.stop_task(cluster=cluster, task=task, reason="its host is gone")
        wait_until(lambda: reason_at_work(world), what="the migration", seconds=60)
        blocker.rollback()
    assert world.revision() == RELEASE.revision
    assert world.contents() == paused
    assert world.scaling_suspended() == {True}

    logged = client.logged()
    code, said = world.upgrade("--back", log=tmp_path / "back")
    print(said)
    assert code == DONE, said
    assert (world.service()["desiredCount"], world.image()) == (1, OLDER)
    assert world.scaling_suspended() == {False}
    wait_until(lambda: reason_undelivered(world, logged), what="the client", seconds=60)


def reason_at_work(world: Upgraded) -> str | None:
    others = world.rows("SELECT state FROM pg_stat_activity WHERE usename = 'mlflow'")
    return f"sessions: {others}" if others else None


def reason_undelivered(world: Upgraded, number: int) -> str | None:
    ((delivered,),) = world.rows(DELIVERED, world.run_id)
    return None if delivered > number else f"{delivered} of {number} values"


def test_an_upgrade_goes_on_after_a_failure_and_loses_nothing_that_was_acknowledged(
    world: Upgraded, client: Client, tmp_path: Path
) -> None:
    world.pulumi.fails = True
    code, said = world.upgrade(*ADOPTING, log=tmp_path / "failed")
    print(said)
    assert code == FAILED, said
    assert "`pulumi up --yes --skip-preview` ended with exit code 255" in said
    *_, snapshot = sorted(world.snapshots(), key=lambda one: one["SnapshotCreateTime"])
    noted = tags(snapshot)
    assert (noted[TAG], noted[TASKS_TAG]) == (NEWER, "1")
    assert f"restore {world.names['database']} to {noted[STOPPED_TAG]}" in said
    the_copy_of_before_is_whole_and_is_served(world, noted[STOPPED_TAG], tmp_path)

    code, said = world.upgrade("--back", log=tmp_path / "refused")
    assert code == FAILED, said
    assert "the tables are migrated, and the servers of before do not work with them" in said
    assert world.service()["desiredCount"] == 0

    code, said = world.upgrade(*ADOPTING, log=tmp_path / "said")
    print(said)
    assert code == DONE, said
    assert "goes on in the pause that began at " in said
    assert re.search(r"\d+ passed", said)
    assert (world.service()["desiredCount"], world.image()) == (1, NEWER)
    assert world.scaling_suspended() == {False}

    client.await_value(client.logged() + 20)
    print(client.end())
    client.is_there_once(world)


def the_copy_of_before_is_whole_and_is_served(world: Upgraded, stopped: str, tmp_path: Path) -> None:
    """Go the way back, as far as the database: what it had at the pause, the migrated one has too."""
    rds = world.stack.emulator.client("rds")
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=world.names["database"],
        TargetDBInstanceIdentifier=COPY,
        RestoreTime=datetime.fromisoformat(stopped),
        EnableIAMDatabaseAuthentication=True,
    )
    wait_until(lambda: None if COPY in world.restored else "no copy yet", what="the copy", seconds=60)
    copy = world.restored[COPY]
    before = world.contents(postgres=copy)
    assert before["metrics"].rows > world.before["metrics"].rows
    for table in ("experiments", "registered_models", "model_versions", "trace_info", "datasets"):
        assert before[table] == world.before[table]
    assert world.contents(like=before) == before
    address = f"postgresql+psycopg2://mlflow@/{copy.database}?host={copy.folder}"
    with world.mlflow.server(address, str(tmp_path), tmp_path / "copy.log") as server:
        server.await_ready()
    rds.delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True)
