"""What the upgrade knows of a stack: the names in its output `upgrade`, each checked."""

import re
from dataclasses import dataclass
from typing import Any

from bad_input import BadInputError
from stack_outputs import MAKE_ANEW, REGION, fault, parse

OLDER = "the stack is older than the upgrade: pulumi up"
PATTERNS = {
    "cluster": (re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:cluster/[\w-]+"), "an ECS cluster's ARN"),
    "service": (re.compile(r"[\w-]{1,255}"), "an ECS service's name"),
    "database": (re.compile(r"[a-z][a-z0-9-]{0,62}"), "an RDS instance's name"),
    "migration": (
        re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task-definition/[\w-]+:\d+"),
        "an ECS task definition's ARN",
    ),
    "logGroup": (re.compile(r"[\w./#-]{1,512}"), "a log group's name"),
}
NETWORK = {"subnets", "securityGroups", "assignPublicIp"}


@dataclass(frozen=True, kw_only=True)
class UpgradeNames:
    """The names; each is what AWS calls it.

    Attributes:
        region: AWS region.
        cluster: ARN of the ECS cluster.
        service: of the tracking server.
        database: the RDS instance's.
        migration: ARN of the migration's task definition.
        network: where the tasks stand, as ECS's `awsvpcConfiguration`.
        log_group: what the tasks say goes there.
        held: Pulumi URNs of what must not change before the tables are migrated.
        teams: of the stack.
    """

    region: str
    cluster: str
    service: str
    database: str
    migration: str
    network: dict[str, Any]
    log_group: str
    held: tuple[str, ...]
    teams: tuple[str, ...]

    @property
    def resource_id(self) -> str:
        """What application autoscaling calls the service."""
        return f"service/{self.cluster.rsplit('/', 1)[1]}/{self.service}"


def find_upgrade(text: str) -> UpgradeNames:
    """Return what the outputs say of the upgrade.

    Raises:
        BadInputError: the outputs are not a stack's, or are of one that is older than the upgrade.
    """
    outputs = parse(text)
    told: Any = outputs.get("upgrade")
    if not isinstance(told, dict):
        raise BadInputError([f"upgrade in the stack's outputs is {told!r}, not the upgrade's names; {OLDER}"])
    network, held, teams = told.get("network"), told.get("held"), outputs.get("teams")
    faults = [
        fault("region", outputs.get("region"), REGION, "an AWS region"),
        *(
            fault(f"upgrade.{name}", told.get(name), allowed, meaning)
            for name, (allowed, meaning) in PATTERNS.items()
        ),
    ]
    if not (isinstance(network, dict) and network.keys() == NETWORK):
        faults.append(f"upgrade.network in the stack's outputs is {network!r}, not a network; {MAKE_ANEW}")
    if not (isinstance(held, list) and held and all(str(urn).startswith("urn:pulumi:") for urn in held)):
        faults.append(f"upgrade.held in the stack's outputs is {held!r}, not Pulumi URNs; {MAKE_ANEW}")
    if not isinstance(teams, dict):
        faults.append(f"teams in the stack's outputs is {teams!r}, not teams by name; {MAKE_ANEW}")
    if found := [one for one in faults if one]:
        raise BadInputError(found)
    return UpgradeNames(
        region=outputs["region"],
        cluster=told["cluster"],
        service=told["service"],
        database=told["database"],
        migration=told["migration"],
        network=dict(network or {}),
        log_group=told["logGroup"],
        held=tuple(held or ()),
        teams=tuple(sorted(teams or {})),
    )
