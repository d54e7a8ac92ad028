"""The rehearsed stack as a restore drill meets it: what plays RDS and ECS for it, and who runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from drill.login import POLICY
from drill.names import DrillNames, find_drill
from drill.preflight import SIMULATE, rights
from rehearsal.ecs_agent import EcsAgent
from rehearsal.laptop import ROOT
from rehearsal.processes import tied, wait_until
from rehearsal.rds_restore import RdsRestore
from rehearsal.stack import RehearsedStack

DRILL = (sys.executable, "scripts/restore_drill.py")
DRILL_SECONDS = 200
OPERATOR = "restore-operator"


class World:
    """A stack that runs, what plays RDS's restore and the ECS agent for it, and whoever runs drills."""

    def __init__(self, stack: RehearsedStack, rds: RdsRestore, agent: EcsAgent, work: Path) -> None:
        self.stack, self.rds, self.agent = stack, rds, agent
        assert stack.deployment is not None
        outputs = json.dumps(stack.deployment.outputs)
        (work / "outputs.json").write_text(outputs)
        self.outputs = work / "outputs.json"
        self.names: DrillNames = find_drill(outputs)
        self._environment = {
            **stack.prerequisites.environment,
            "PATH": "/usr/bin:/bin",
            "HOME": str(work),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *options: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen(
                tied(*DRILL, "--outputs", self.outputs, "--profile", OPERATOR, *options),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def drill(self, *options: str, log: Path) -> tuple[int, str]:
        with self.start(*options, log=log) as process:
            try:
                wait_until(
                    lambda: None if process.poll() is not None else f"{log.read_text()}\n{self.failures()}",
                    what="the drill",
                    seconds=DRILL_SECONDS,
                    give_up=lambda: bool(self.failures()),
                )
            finally:
                process.kill()
        assert not self.failures()
        return process.returncode, log.read_text()

    def failures(self) -> list[str]:
        return self.rds.failures + self.agent.failures

    def interrupt(self, log: Path, *, when: str, by: signal.Signals) -> int:
        """Begin a drill, send it a signal once it has said something, and return its exit code."""

        def reason() -> str | None:
            return None if when in log.read_text() else f"{log.read_text()}\n{self.failures()}"

        with self.start(log=log) as process:
            try:
                wait_until(reason, what="the drill", seconds=90, give_up=lambda: bool(self.failures()))
                process.send_signal(by)
                return process.wait(60)
            finally:
                process.kill()

    def copies(self) -> list[str]:
        found = self.stack.emulator.client("rds").describe_db_instances()["DBInstances"]
        return [
            one["DBInstanceIdentifier"] for one in found if one["DBInstanceIdentifier"] != self.names.instance
        ]

    def rights_of_the_role(self) -> list[str]:
        iam = self.stack.emulator.client("iam")
        return list(iam.list_role_policies(RoleName=self.names.task_role)["PolicyNames"])

    def nothing_is_left(self) -> None:
        assert self.copies() == []
        assert POLICY not in self.rights_of_the_role()
        ecs = self.stack.emulator.client("ecs")
        assert ecs.list_tasks(cluster=self.names.cluster, startedBy="restore-drill")["taskArns"] == []


def operator(stack: RehearsedStack, names: DrillNames) -> None:
    """Make a person who may do what the preflight looks for, and nothing else."""
    stack.prerequisites.add_person(OPERATOR)
    iam, rds = stack.emulator.client("iam"), stack.emulator.client("rds")
    live = rds.describe_db_instances(DBInstanceIdentifier=names.instance)["DBInstances"][0]
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": resource}
        for resource, actions in rights(names, live).items()
    ]
    statements.append({"Effect": "Allow", "Action": SIMULATE, "Resource": "*"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.delete_user_policy(UserName=OPERATOR, PolicyName="assume-roles")
    iam.put_user_policy(UserName=OPERATOR, PolicyName="restore-drill", PolicyDocument=policy)
