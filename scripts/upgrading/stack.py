"""One upgrade of a stack: its steps, and where in them the stack is."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import boto3

from reachability import wait_for_server
from stack_outputs import PROJECT, read_outputs
from upgrading.error import UpgradeError
from upgrading.migration import MigrationTask
from upgrading.names import UpgradeNames, find_upgrade
from upgrading.service import UpgradedService
from upgrading.snapshot import PAUSE_TAG, STOPPED_TAG, TASKS_TAG, UpgradeSnapshot
from upgrading.way_back import NOTHING_CHANGED, SERVERS_STOPPED, restore
from verification import EXPORTED_KEYS

SERVER_SECONDS = 300


class Upgrade:
    """What there is to do is found in AWS, so it can be cut off anywhere and begun again.

    Attributes:
        way_back: from the step that is under way.
    """

    def __init__(  # noqa: D417
        self,
        session: boto3.Session,
        names: UpgradeNames,
        say: Callable[[str], None],
        *,
        stack: str | None,
        team: Mapping[str, str],
        adopting_team: str | None,
    ) -> None:
        """Change nothing yet.

        Args:
            stack: Pulumi's; None for the selected one.
            team: the environment with which a writer reaches the server.
            adopting_team: who gets what lies in no team's workspace.
        """
        self._session = session
        self._names = names
        self._say = say
        self._stack = stack
        self._team = team
        self._adopting_team = adopting_team
        ecs, scaling = session.client("ecs"), session.client("application-autoscaling")
        self._service = UpgradedService(ecs, scaling, names, say)
        self._snapshot = UpgradeSnapshot(session.client("rds"), names.database, say)
        self.way_back = NOTHING_CHANGED

    def faults(self) -> list[str]:
        """Say why it cannot begin as things are."""
        found = [self._service.fault()]
        rds, name = self._session.client("rds"), self._names.database
        (database,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        if database["DBInstanceStatus"] != "available":
            found.append(f"the database {name} is {database['DBInstanceStatus']}: wait for it")
        if not database["BackupRetentionPeriod"]:
            found.append(
                f"the database {name} keeps no backups, so there is no way back: "
                "pulumi config set mlflow-tracking:backupDays 7 && pulumi up"
            )
        if self._paused() and not self._journal().get(PAUSE_TAG):
            found.append(
                f"the service {self._names.service} has no tasks, and no upgrade has paused it: start it "
                "first, with aws ecs update-service --desired-count 1"
            )
        return [one for one in found if one]

    def plan(self) -> list[tuple[str, str]]:
        """Return what is left to do, each step with the way back from it."""
        names = self._names
        before = [
            (
                "`pulumi up` of all but the service: builds the image, tells the migration of it",
                NOTHING_CHANGED,
            )
        ]
        look = [(f"look with {names.migration} whether there is anything to migrate", NOTHING_CHANGED)]
        pause = [
            (f"make a snapshot of {names.database}", NOTHING_CHANGED),
            (f"end the {self._service.tasks()} tasks of {names.service}: the pause begins", SERVERS_STOPPED),
        ]
        rest = [
            (f"migrate with {names.migration}, in one transaction", SERVERS_STOPPED),
            ("`pulumi up` of all, and start the tasks: the pause ends", restore(names, self._journal())),
            ("run smoke_tests/ as a team", restore(names, self._journal())),
        ]
        return [*look, *rest] if self._paused() else [*before, *look, *pause, *rest]

    def run(self) -> None:
        """Do what is left to do.

        Raises:
            UpgradeError, UnreachableError: a step failed; `way_back` says what leads back from it.
        """
        if self._paused():
            self.way_back = SERVERS_STOPPED
            self._say(f"goes on in the pause that began at {self._journal()[PAUSE_TAG]}")
        else:
            self._say("changes begin; what serves is not changed yet")
            self._pulumi_up(*(f"--exclude={urn}" for urn in self._names.held))
            self._names = find_upgrade(read_outputs(None, self._stack))
        migration = self._migration()
        if migration.is_to_do(self._adopting_team):
            self._pause(migration.image())
            migration.run(self._adopting_team)
        paused = self._paused()
        if paused:
            self.way_back = restore(self._names, self._journal())
        else:
            self._say("nothing to migrate, so nothing pauses")
        self._pulumi_up()
        self._service.resume(int(self._journal()[TASKS_TAG]) if paused else self._service.tasks())
        self._await_server(paused=paused)
        self._smoke_tests()
        self._say(f"{self._service.image()} serves")

    def go_back(self) -> None:
        """Start the servers as they were, while the tables are not migrated yet.

        Raises:
            UpgradeError: they are, or nothing is paused.
        """
        if not self._paused():
            raise UpgradeError("nothing is paused")
        self.way_back = restore(self._names, self._journal())
        if not self._migration().is_to_do(None):
            raise UpgradeError("the tables are migrated, and the servers of before do not work with them")
        self.way_back = SERVERS_STOPPED
        self._service.resume(int(self._journal()[TASKS_TAG]))
        self._await_server(paused=True)

    def _migration(self) -> MigrationTask:
        ecs, logs = self._session.client("ecs"), self._session.client("logs")
        return MigrationTask(ecs, logs, self._names, self._say)

    def _paused(self) -> bool:
        return self._service.tasks() == 0

    def _journal(self) -> dict[str, str]:
        return self._snapshot.noted()

    def _pause(self, image: str) -> None:
        if not self._paused():
            self._snapshot.make(image, self._service.tasks())
            self._snapshot.note(PAUSE_TAG, _now())
        self.way_back = SERVERS_STOPPED
        self._say("the pause begins")
        self._service.pause()
        journal = self._journal()
        # What a pause that was given up has noted counts no more; what this one noted stays.
        if journal.get(STOPPED_TAG, "") < journal[PAUSE_TAG]:
            self._snapshot.note(STOPPED_TAG, _now())

    def _pulumi_up(self, *excluded: str) -> None:
        stack = ["--stack", self._stack] if self._stack else []
        command = ["pulumi", "up", "--yes", "--skip-preview", *stack, *excluded]
        self._say(" ".join(command))
        code = subprocess.run(command, cwd=PROJECT, check=False).returncode
        if code:
            raise UpgradeError(f"`{' '.join(command)}` ended with exit code {code}")

    def _await_server(self, *, paused: bool) -> None:
        wait_for_server(
            self._team["MLFLOW_TRACKING_URI"].rstrip("/"),
            ca_bundle=self._team.get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            seconds=SERVER_SECONDS,
            tell=self._say,
        )
        if paused:
            lasted = datetime.now(UTC) - datetime.fromisoformat(self._journal()[PAUSE_TAG])
            self._say(f"the pause lasted {lasted.total_seconds():.0f} s")
            self._snapshot.note(PAUSE_TAG, "")

    def _smoke_tests(self) -> None:
        shell = {name: value for name, value in os.environ.items() if name not in EXPORTED_KEYS}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "smoke_tests"]
        self._say("smoke tests")
        code = subprocess.run(command, cwd=PROJECT, env={**shell, **self._team}, check=False).returncode
        if code:
            raise UpgradeError(f"the smoke tests ended with exit code {code}")


def _now() -> str:
    return datetime.now(UTC).isoformat()
