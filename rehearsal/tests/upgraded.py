"""A stack that still runs an older MLflow, its client that keeps logging, and what upgrades it."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from rehearsal.contents import Table, contents
from rehearsal.ecs_agent import EcsAgent
from rehearsal.emulator import REGION
from rehearsal.laptop import ROOT
from rehearsal.older_release import FOLDER, OlderMlflow, OlderServer, Release
from rehearsal.postgres import Postgres
from rehearsal.processes import Process, tied, wait_until
from rehearsal.rds_restore import RdsRestore
from rehearsal.stack import RehearsedStack
from rehearsal.teams import OTHER_TEAM, TEAM
from rehearsal.tests.conftest import started
from rehearsal.tests.rollout import PulumiStandIn
from server.tracking_server import database_user
from server.tracking_server.settings import Backend

OLDER, NEWER = "mlflow-tracking-server:rehearsal", "mlflow-tracking-server:newer"
POLL_SECONDS = 0.3
UPGRADE_SECONDS = 240
EVERY = 25  # as in logging_client.py
OPERATOR = "upgrade-operator"
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner"


@contextlib.contextmanager
def older(release: Release, folder: Path) -> Iterator["Upgraded"]:
    """Run a stack that has an older release, and everything that upgrades it."""
    mlflow = OlderMlflow(release, folder / "environment")
    with started() as stack:
        world = Upgraded(stack, mlflow, folder)
        world.pulumi.config["image"] = NEWER
        agent = EcsAgent(stack, world.names["cluster"])
        rds = RdsRestore(stack)
        with world.running(), agent, rds:
            world.restored = rds.copies
            yield world
        assert agent.failures + rds.failures + world.service_failures == []


class Upgraded:
    """All of it.

    Attributes:
        pulumi: what the script calls.
        before: what the database held before anything was upgraded, without the client's.
        run_id: of the run that its client goes on with.
        restored: copies of the database, by the instance's name.
        service_failures: what went wrong in starting and ending tasks.
    """

    before: dict[str, Table]
    run_id: str

    def __init__(self, stack: RehearsedStack, mlflow: OlderMlflow, folder: Path) -> None:
        self.stack = stack
        self.mlflow = mlflow
        self.folder = folder
        self.pulumi = PulumiStandIn(stack, folder / "bin")
        self.restored: Mapping[str, Postgres] = {}
        self.service_failures: list[str] = []
        self._running = ExitStack()
        self._ecs = stack.emulator.client("ecs")
        assert stack.deployment is not None
        self.names: dict[str, Any] = stack.deployment.outputs["upgrade"]
        self._older_definition = self.service()["taskDefinition"]
        self._end = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Bring the stack back to the older release, with data of its own client, and run it."""
        stack = self.stack
        assert stack.task is not None
        stack.task.__exit__()
        with closing(stack.postgres.connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(EMPTY)
        self._own_by_the_server()
        with self._running, self.pulumi.running():
            self._tasks: Any = None
            self._start(self._older_definition)
            self.run_id = self._write()
            thread = threading.Thread(target=self._schedule, name="ecs-service", daemon=True)
            thread.start()
            try:
                self._make_operator()
                yield
            finally:
                self._end.set()
                thread.join()
                self._stop()

    def service(self) -> dict[str, Any]:
        """Return the service as ECS describes it."""
        (found,) = self._ecs.describe_services(
            cluster=self.names["cluster"], services=[self.names["service"]]
        )["services"]
        return dict(found)

    def upgrade(self, *options: str, log: Path, when: str | None = None) -> tuple[int, str]:
        """Run the script to its end, or kill it once it has said something; return its code and words."""
        environment = {
            **self.stack.prerequisites.environment,
            "AWS_PROFILE": OPERATOR,
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "SMOKE_OTHER_TEAM": OTHER_TEAM,
            "PYTHONUNBUFFERED": "1",
        }
        team = self.folder / "team.env"
        lines = [f"{name}={value}\n" for name, value in self.team_environment().items()]
        team.write_text("".join(lines))
        command = tied(sys.executable, "scripts/upgrade.py", "--smoke-environment", team, *options)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

        def reason() -> str | None:
            said = log.read_text()
            if process.poll() is not None or (when and when in said):
                return None
            return f"{said}\n{self.service_failures}"

        with process:
            try:
                wait_until(reason, what="the upgrade", seconds=UPGRADE_SECONDS)
            finally:
                process.kill()
        return process.returncode, log.read_text()

    def team_environment(self, *, workspace: bool = True) -> dict[str, str]:
        """Return what onboarding wrote for the team's writer."""
        assert self.stack.laptop is not None
        whole = self.stack.laptop.environment
        own = {name for name in whole if name.startswith(("MLFLOW_", "AWS_"))}
        return {name: whole[name] for name in own if workspace or name != "MLFLOW_WORKSPACE"}

    def contents(
        self, like: Mapping[str, Table] | None = None, postgres: Postgres | None = None
    ) -> dict[str, Table]:
        """Read the database, or a copy of it."""
        with closing((postgres or self.stack.postgres).connect()) as connection:
            return contents(connection, like)

    def revision(self) -> str:
        """Return that of the tables."""
        ((found,),) = self.rows("SELECT version_num FROM alembic_version")
        return str(found)

    def image(self) -> str:
        """Return the image that the service is to run."""
        found = self._ecs.describe_task_definition(taskDefinition=self.service()["taskDefinition"])
        return str(found["taskDefinition"]["containerDefinitions"][-1]["image"])

    def scaling_suspended(self) -> set[bool]:
        """Return how autoscaling's three kinds of changes are."""
        cluster = self.names["cluster"].rsplit("/", 1)[1]
        (target,) = self.stack.emulator.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[f"service/{cluster}/{self.names['service']}"]
        )["ScalableTargets"]
        return set(target["SuspendedState"].values())

    def snapshots(self) -> list[dict[str, Any]]:
        """Return the database's snapshots."""
        rds = self.stack.emulator.client("rds")
        return [
            dict(one)
            for one in rds.describe_db_snapshots(DBInstanceIdentifier=self.names["database"])["DBSnapshots"]
        ]

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with closing(self.stack.postgres.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def logging(self) -> Iterator["Client"]:
        """Let the team's client log into the run that goes on."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "MLFLOW_TEAM_SPOOL_DIR": str(self.folder / "spool"),
            **self.team_environment(workspace=self.mlflow.release.workspaces),
        }
        folder = self.folder / "client"
        folder.mkdir()
        script = Path(__file__).parent / "logging_client.py"
        command = [sys.executable, script, self.run_id, folder]
        with Process("client", command, environment=environment, log=folder / "log", cwd=ROOT) as process:
            client = Client(process, folder)
            client.await_value(50)
            yield client

    def _own_by_the_server(self) -> None:
        postgres = self.stack.postgres
        backend = Backend(
            region=REGION, host="", port=0, database=postgres.database, user="mlflow", artifact_root="s3://-"
        )
        with closing(postgres.connect(postgres.master)) as connection:
            database_user.ensure(connection, backend)

    def _make_operator(self) -> None:
        """Make an administrator, as README asks for."""
        self.stack.prerequisites.add_person(OPERATOR)
        everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        self.stack.emulator.client("iam").put_user_policy(
            UserName=OPERATOR, PolicyName="administrator", PolicyDocument=everything
        )

    def _write(self) -> str:
        """Write what a team would have with the older release's own client; return the run that goes on."""
        assert isinstance(self._tasks, OlderServer)
        environment = {"MLFLOW_TRACKING_URI": self._tasks.url}
        if self.mlflow.release.workspaces:
            with closing(self.stack.postgres.connect()) as connection:
                connection.autocommit = True
                add = "INSERT INTO workspaces (name, description) VALUES (%s, '')"
                connection.cursor().execute(add, (TEAM,))
            environment["MLFLOW_WORKSPACE"] = TEAM
        said = self.mlflow.run(FOLDER / "write_data.py", environment)
        self.before = self.contents()
        return said.split()[-1]

    def _schedule(self) -> None:
        """Start and end the service's one task, as ECS is asked to."""
        while not self._end.wait(POLL_SECONDS):
            service = self.service()
            try:
                if service["desiredCount"] and self._tasks is None:
                    self._start(service["taskDefinition"])
                elif not service["desiredCount"] and self._tasks is not None:
                    self._stop()
            except Exception as error:  # noqa: BLE001 - said by the test that waits in vain
                self.service_failures.append(f"{type(error).__name__}: {error}")
                return

    def _start(self, definition: str) -> None:
        if definition == self._older_definition:
            socket = self.stack.postgres.folder
            older = self.mlflow.server(
                f"postgresql+psycopg2://mlflow@/{self.stack.postgres.database}?host={socket}",
                str(self.folder / "artifacts"),
                self.folder / "older.log",
            )
            self._tasks = older.__enter__()
            older.await_ready()
            self.stack.front.register(older.url.removeprefix("http://"))
            return
        described = self._ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
        self._tasks, target = self.stack.start_task(described)
        self.stack.front.register(target)

    def _stop(self) -> None:
        if isinstance(self._tasks, OlderServer):
            self._tasks.stop()
        if self._tasks is not None:
            self._tasks.__exit__(None, None, None)
        self._tasks = None
        for task in self._stopping():
            ended = [{"containerName": one["name"], "exitCode": 0} for one in task["containers"]]
            self._ecs.submit_task_state_change(
                cluster=self.names["cluster"], task=task["taskArn"], status="STOPPED", reason="as asked",
                containers=ended,
            )  # fmt: skip

    def _stopping(self) -> list[dict[str, Any]]:
        """Return the service's tasks that ECS wants ended."""
        cluster = self.names["cluster"]
        arns = self._ecs.list_tasks(
            cluster=cluster, serviceName=self.names["service"], desiredStatus="STOPPED"
        )["taskArns"]
        found = self._ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return [dict(task) for task in found if task["lastStatus"] == "STOPPING"]


class Client:
    """The process that keeps logging."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    def logged(self) -> int:
        """Return how many calls have returned."""
        lines = (self._folder / "logged").read_text().split() if (self._folder / "logged").exists() else []
        return int(lines[-1]) if lines else 0

    def is_there_once(self, world: "Upgraded") -> None:
        """Look whether the database has each value that it logged, once, in the run that has ended."""
        logged, run_id = self.logged(), world.run_id
        assert logged > 100
        values = "SELECT step, value FROM metrics WHERE run_uuid = %s AND key = 'goes-on' ORDER BY step"
        assert world.rows(values, run_id) == [(step, float(step)) for step in range(logged)]
        params = {key for (key,) in world.rows("SELECT key FROM params WHERE run_uuid = %s", run_id)}
        assert params == {f"at-{step}" for step in range(0, logged, EVERY)}
        run = "SELECT status, workspace FROM runs JOIN experiments USING (experiment_id) WHERE run_uuid = %s"
        assert world.rows(run, run_id) == [("FINISHED", TEAM)]

    def await_value(self, number: int) -> None:
        """Wait until so many calls have returned."""

        def reason() -> str | None:
            return (
                None if self.logged() >= number else f"{self.logged()} values: {self._process.end_of_log()}"
            )

        self._process.wait_ready(reason, seconds=90)

    def end(self) -> str:
        """Let it end as a script does; return what it said."""
        (self._folder / "end").touch()
        code = self._process.wait(120)
        said = (self._folder / "log").read_text()
        assert code == 0, said
        return said
