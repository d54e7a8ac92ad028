"""The restore drill against the rehearsed stack: a client that goes on writing, a copy as RDS makes it."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2.errors
import pytest
from botocore.exceptions import ClientError

from drill.names import TAG
from rehearsal.backups import RestoredPostgres
from rehearsal.ecs_agent import EcsAgent
from rehearsal.emulator import REGION
from rehearsal.processes import wait_until
from rehearsal.rds_restore import RdsRestore
from rehearsal.stack import RehearsedStack
from rehearsal.teams import PERSON, TEAM
from rehearsal.tests.drilled import OPERATOR, World, operator
from rehearsal.tests.login import Api

pytestmark = pytest.mark.rehearsal

RUNS, METRICS = 3, 40
EQUAL, DIFFERENT, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@pytest.fixture(scope="module")
def api(running: RehearsedStack) -> Api:
    assert running.deployment is not None
    role = running.deployment.outputs["teams"][TEAM]["writerRoleArn"]
    return Api(running, running.prerequisites.take(PERSON, role))


@pytest.fixture(scope="module")
def world(running: RehearsedStack, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with RdsRestore(running) as rds:
        assert running.deployment is not None
        cluster = running.deployment.one("aws:ecs/cluster:Cluster").outputs["arn"]
        with EcsAgent(running, cluster) as agent:
            world = World(running, rds, agent, tmp_path_factory.mktemp("drill"))
            operator(running, world.names)
            yield world


def experiment(api: Api, name: str) -> str:
    answer = api.post("2.0/mlflow/experiments/create", name=name)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["experiment_id"])


def now() -> int:
    return int(time.time() * 1000)


def finished_run(api: Api, experiment_id: str, world: World, content: bytes) -> str:
    """Log a run with metrics, parameters and an artifact, and end it; return where the artifact lies."""
    created = api.post("2.0/mlflow/runs/create", experiment_id=experiment_id, start_time=now()).json()["run"]
    run, uri = created["info"]["run_id"], created["info"]["artifact_uri"]
    metrics = [{"key": "loss", "value": 1 / (1 + n), "timestamp": now(), "step": n} for n in range(METRICS)]
    params = [{"key": f"p{n}", "value": str(n)} for n in range(5)]
    assert (
        api.post("2.0/mlflow/runs/log-batch", run_id=run, metrics=metrics, params=params).status_code == 200
    )
    key = f"{uri.partition('://')[2].partition('/')[2]}/model/weights.bin"
    world.stack.emulator.client("s3").put_object(Bucket=bucket(world), Key=key, Body=content)
    assert (
        api.post("2.0/mlflow/runs/update", run_id=run, status="FINISHED", end_time=now()).status_code == 200
    )
    return key


def bucket(world: World) -> str:
    assert world.stack.deployment is not None
    return str(world.stack.deployment.outputs["artifactBucket"])


@pytest.fixture(scope="module")
def artifacts(world: World, api: Api) -> list[str]:
    kept = experiment(api, "restore-drill")
    keys = [finished_run(api, kept, world, f"weights {n}".encode() * 1000) for n in range(RUNS)]
    answer = api.post("2.0/mlflow/registered-models/create", name="classifier")
    assert answer.status_code == 200, answer.text
    return keys


@pytest.fixture
def writing(world: World, api: Api) -> Iterator[list[int]]:
    """A client that goes on: new runs, new metrics in an old one, changed and deleted tags."""
    end = threading.Event()
    said: list[int] = []

    def write() -> None:
        where = experiment(api, f"goes-on-{now()}")
        create = {"experiment_id": where, "start_time": now()}
        run = api.post("2.0/mlflow/runs/create", **create).json()["run"]["info"]["run_id"]
        while not end.wait(0.05):
            metric = {"key": "loss", "value": 1.0, "timestamp": now(), "step": len(said)}
            if len(said) % 5 == 0:
                api.post("2.0/mlflow/runs/create", **create)
                api.post("2.0/mlflow/runs/set-tag", run_id=run, key=f"t{len(said)}", value="1")
                # Some seconds later, which is after a copy's time, it is changed or deleted, by turns.
                before = max(0, len(said) - 100)
                if before % 2:
                    api.post("2.0/mlflow/runs/set-tag", run_id=run, key=f"t{before}", value="2")
                else:
                    api.post("2.0/mlflow/runs/delete-tag", run_id=run, key=f"t{before}")
            said.append(api.post("2.0/mlflow/runs/log-metric", run_id=run, **metric).status_code)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    wait_until(lambda: None if len(said) > 20 else "wrote little", what="the client", seconds=60)
    yield said
    end.set()
    thread.join()
    assert set(said) == {200}


def row(said: str, table: str) -> list[int]:
    """Return a table's line: rows, changed since, removed since, lost, different."""
    (line,) = [line for line in said.splitlines() if line.startswith(f"{table} ")]
    return [int(cell.replace(",", "")) for cell in line.split()[1:]]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(world: World, tmp_path: Path) -> None:
    code, said = world.drill("--dry-run", log=tmp_path / "said")
    assert code == EQUAL, said
    assert f"would restore {world.names.instance} to a time after that" in said
    assert "changes begin" not in said
    world.nothing_is_left()


def test_an_interrupted_drill_is_cleaned_up_by_the_next_which_finds_all_equal(
    world: World, artifacts: list[str], writing: list[int], tmp_path: Path
) -> None:
    world.rds.hold.set()
    assert world.interrupt(tmp_path / "killed", when="is creating", by=signal.SIGKILL) == -signal.SIGKILL
    (left,) = world.copies()
    world.rds.hold.clear()
    before = len(writing)
    code, said = world.drill("--samples", str(RUNS), log=tmp_path / "said")
    print(said)
    assert code == EQUAL, said
    assert f"RDS deletes {left}, made by arn:aws:iam::" in said
    assert len(writing) > before + 20
    world.nothing_is_left()
    rows, *_, lost, different = row(said, "runs")
    assert rows >= RUNS
    assert row(said, "metrics")[0] >= RUNS * METRICS
    assert row(said, "params")[0] >= RUNS * 5
    assert row(said, "registered_models")[0] >= 1
    assert (lost, different) == (0, 0)
    _, changed, removed, *_ = row(said, "tags")
    assert changed > 0
    assert removed > 0
    assert f"{RUNS} artifacts were read" in said
    assert "RPO: the newest backup was " in said
    assert "RTO: " in said
    assert "\nequal\n" in said


def test_a_lost_row_a_changed_row_and_a_changed_artifact_are_found(
    world: World, artifacts: list[str], writing: list[int], tmp_path: Path
) -> None:
    changed: list[str] = []

    def damage(copy: RestoredPostgres) -> None:
        with closing(copy.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("DELETE FROM metrics WHERE step = 7 AND key = 'loss' RETURNING run_uuid")
            assert cursor.rowcount >= RUNS
            cursor.execute("UPDATE params SET value = 'other' WHERE key = 'p3'")
            assert cursor.rowcount >= RUNS
            connection.commit()
        s3 = world.stack.emulator.client("s3")
        s3.put_object(Bucket=bucket(world), Key=artifacts[0], Body=b"poisoned")
        s3.delete_object(Bucket=bucket(world), Key=artifacts[1])
        changed.append(artifacts[0])

    # S3 tells times in whole seconds.
    time.sleep(1.1)
    world.rds.damage = damage
    try:
        code, said = world.drill("--samples", "500", log=tmp_path / "said")
    finally:
        world.rds.damage = lambda _: None
    print(said)
    assert code == DIFFERENT, said
    assert row(said, "metrics")[3] >= RUNS
    assert row(said, "params")[4] >= RUNS
    assert row(said, "runs")[3:] == [0, 0]
    assert "DIFFERENT metrics: " in said
    assert "DIFFERENT params: " in said
    (poisoned,) = [
        line for line in said.splitlines() if line.startswith("DIFFERENT s3://") and artifacts[0] in line
    ]
    assert "; now it is " in poisoned
    (gone,) = [
        line for line in said.splitlines() if line.startswith("DIFFERENT s3://") and artifacts[1] in line
    ]
    assert "; now it cannot be shown: " in gone
    assert not [
        line for line in said.splitlines() if line.startswith("DIFFERENT s3://") and artifacts[2] in line
    ]
    world.nothing_is_left()


@pytest.mark.parametrize(
    ("when", "by"),
    [("is creating", signal.SIGINT), ("starting the server", signal.SIGTERM)],
    ids=["RDS restores", "a server runs on the copy"],
)
def test_a_drill_that_is_interrupted_removes_what_it_made(
    world: World, tmp_path: Path, when: str, by: signal.Signals
) -> None:
    if when == "is creating":
        world.rds.hold.set()
    try:
        code = world.interrupt(tmp_path / "said", when=when, by=by)
    finally:
        world.rds.hold.clear()
    said = (tmp_path / "said").read_text()
    assert code == INTERRUPTED, said
    assert "interrupted; removing what it made" in said
    assert f"RDS deletes {world.names.instance}-drill-" in said
    world.nothing_is_left()


def test_a_database_without_backups_is_refused_before_anything_is_done(world: World, tmp_path: Path) -> None:
    world.rds.tell(world.names.instance, {"BackupRetentionPeriod": 0})
    try:
        code, said = world.drill("--samples", "0", log=tmp_path / "said")
    finally:
        world.rds.tell(world.names.instance, {"BackupRetentionPeriod": 7})
    assert code == BAD_INPUT
    assert f"{world.names.instance} keeps no backups to restore from" in said
    assert "--samples is '0'" in said
    assert "changes begin" not in said


def test_who_runs_drills_can_neither_delete_nor_change_the_live_database(world: World) -> None:
    rds = world.stack.emulator.client("rds", **world.stack.prerequisites.keys[OPERATOR])
    asked = {"DBInstanceIdentifier": world.names.instance}
    with pytest.raises(ClientError, match="AccessDenied"):
        rds.delete_db_instance(**asked, SkipFinalSnapshot=True)
    with pytest.raises(ClientError, match="AccessDenied"):
        rds.modify_db_instance(**asked, BackupRetentionPeriod=0)


def test_missing_rights_are_told_all_at_once_before_anything_is_done(world: World, tmp_path: Path) -> None:
    iam = world.stack.emulator.client("iam")
    policy = iam.get_user_policy(UserName=OPERATOR, PolicyName="restore-drill")["PolicyDocument"]
    less = json.loads(json.dumps(policy).replace("rds:DeleteDBInstance", "rds:StopDBInstance"))
    less = json.loads(json.dumps(less).replace("ecs:RunTask", "ecs:DescribeClusters"))
    iam.put_user_policy(UserName=OPERATOR, PolicyName="restore-drill", PolicyDocument=json.dumps(less))
    try:
        code, said = world.drill(log=tmp_path / "said")
    finally:
        iam.put_user_policy(UserName=OPERATOR, PolicyName="restore-drill", PolicyDocument=json.dumps(policy))
    assert code == BAD_INPUT
    assert f"may not rds:DeleteDBInstance on {world.names.arn('rds', 'db:')}" in said
    assert f"may not ecs:RunTask on {world.names.task_definition}" in said
    assert "changes begin" not in said


def may_log_in(world: World, user: str) -> bool:
    resource = world.stack.database_instance()["resourceId"]
    arn = f"arn:aws:rds-db:{REGION}:{world.names.account}:dbuser:{resource}/{user}"
    answer = world.stack.emulator.client("iam").simulate_principal_policy(
        PolicySourceArn=world.names.task_role_arn, ActionNames=["rds-db:connect"], ResourceArns=[arn]
    )
    return bool(answer["EvaluationResults"][0]["EvalDecision"] == "allowed")


def test_the_drills_role_enters_the_live_database_as_its_reader_only(world: World) -> None:
    assert may_log_in(world, "mlflow_reader")
    assert not may_log_in(world, "mlflow")


def test_the_reader_sees_every_table_and_changes_none(world: World) -> None:
    with closing(world.stack.postgres.connect("mlflow_reader")) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert len(tables) > 20
        for name in tables:
            cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", (name,))
            assert cursor.fetchone() == (True,), name
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                cursor.execute("SELECT has_table_privilege(%s, %s)", (name, right))
                assert cursor.fetchone() == (False,), (name, right)
        cursor.execute("SELECT has_schema_privilege('public', 'CREATE')")
        assert cursor.fetchone() == (False,)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DELETE FROM runs")


def test_the_task_role_bears_the_mark_without_which_nothing_is_given_to_it(world: World) -> None:
    role = world.stack.emulator.client("iam").get_role(RoleName=world.names.task_role)["Role"]
    assert {"Key": TAG, "Value": world.names.instance} in role["Tags"]
