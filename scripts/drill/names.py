"""What the restore drill knows of a stack: the names in its output `restoreDrill`, each checked."""

import re
from dataclasses import dataclass
from typing import Any

from bad_input import BadInputError
from stack_outputs import MAKE_ANEW, REGION, ROLE_ARN, fault, parse

# What bears it was made for drills, for the live instance that is its value. infra/restore_check.py marks the
# task's role with it; no right is given to a role without it, and nothing is deleted without it.
TAG = "mlflow-tracking:restore-drill"
CONTAINER = "restore-drill"
OLDER = "the stack is older than the drill: pulumi up, then pulumi stack output --json"
PATTERNS = {
    "instance": (re.compile(r"[a-z][a-z0-9-]{0,62}"), "an RDS instance's name"),
    "cluster": (re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:cluster/[\w-]+"), "an ECS cluster's ARN"),
    "taskDefinition": (
        re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task-definition/[\w-]+:\d+"),
        "an ECS task definition's ARN",
    ),
    "taskRoleArn": (ROLE_ARN, "a role's ARN"),
    "executionRoleArn": (ROLE_ARN, "a role's ARN"),
    "restoredUser": (re.compile(r"[a-z_][a-z0-9_]{0,62}"), "a database user"),
    "securityGroup": (re.compile(r"sg-[0-9a-f]+"), "a security group's id"),
    "logGroup": (re.compile(r"[\w./#-]{1,512}"), "a log group's name"),
}
SUBNET = re.compile(r"subnet-[0-9a-f]+")


@dataclass(frozen=True, kw_only=True)
class DrillNames:
    """The names; each is what AWS calls it.

    Attributes:
        region: AWS region.
        instance: the live database's.
        cluster, task_definition, task_role_arn, execution_role_arn: ARNs.
        restored_user: the database user who owns the tables.
        subnets, security_group, public_ip: where the task stands.
        log_group: what the task says goes there.
    """

    region: str
    instance: str
    cluster: str
    task_definition: str
    task_role_arn: str
    execution_role_arn: str
    restored_user: str
    subnets: tuple[str, ...]
    security_group: str
    public_ip: bool
    log_group: str

    @property
    def task_role(self) -> str:
        """The task role's name."""
        return self.task_role_arn.rsplit("/", 1)[1]

    @property
    def account(self) -> str:
        """The stack's account id."""
        return self.task_role_arn.split(":")[4]

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the stack's account and region."""
        partition = self.task_role_arn.split(":")[1]
        return f"arn:{partition}:{service}:{self.region}:{self.account}:{resource}"


def find_drill(text: str) -> DrillNames:
    """Return what the outputs say of the restore drill.

    Raises:
        BadInputError: the outputs are not a stack's, or are of one that is older than the drill.
    """
    outputs = parse(text)
    faults = [fault("region", outputs.get("region"), REGION, "an AWS region")]
    drill: Any = outputs.get("restoreDrill")
    if not isinstance(drill, dict):
        raise BadInputError(
            [
                *(one for one in faults if one),
                f"restoreDrill in the stack's outputs is {drill!r}, not the drill's names; {OLDER}",
            ]
        )
    faults += [
        fault(f"restoreDrill.{name}", drill.get(name), allowed, meaning)
        for name, (allowed, meaning) in PATTERNS.items()
    ]
    subnets: Any = drill.get("subnets")
    public_ip: Any = drill.get("publicIp")
    if not (isinstance(subnets, list) and subnets and all(SUBNET.fullmatch(str(one)) for one in subnets)):
        faults.append(f"restoreDrill.subnets in the stack's outputs is {subnets!r}, not subnets; {MAKE_ANEW}")
    if not isinstance(public_ip, bool):
        faults.append(
            f"restoreDrill.publicIp in the stack's outputs is {public_ip!r}, not true or false; {MAKE_ANEW}"
        )
    if found := [one for one in faults if one]:
        raise BadInputError(found)
    return DrillNames(
        region=outputs["region"],
        instance=drill["instance"],
        cluster=drill["cluster"],
        task_definition=drill["taskDefinition"],
        task_role_arn=drill["taskRoleArn"],
        execution_role_arn=drill["executionRoleArn"],
        restored_user=drill["restoredUser"],
        subnets=tuple(subnets),
        security_group=drill["securityGroup"],
        public_ip=public_ip,
        log_group=drill["logGroup"],
    )
