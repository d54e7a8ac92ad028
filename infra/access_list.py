"""The access list: who may come into the tracking server, where it looks every few seconds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from documents import rendered
from policies import read_access_list
from team_access import TeamRoles
from teams import Team

LONGEST = 4096  # characters in a parameter of the standard tier, which costs nothing


@dataclass(frozen=True, kw_only=True)
class AccessListArgs:
    """What the access list is made from.

    Attributes:
        teams: members and times, by team name.
        roles: each team's roles.
        admin_role_arn: the role that sees all teams, or None.
    """

    teams: Mapping[str, Team]
    roles: Mapping[str, TeamRoles]
    admin_role_arn: pulumi.Input[str] | None


class AccessList(pulumi.ComponentResource):
    """An SSM parameter for each team, and one for the admins when there are any.

    The server reads them as they are now, so that a change of teams needs neither a new task definition nor
    a new task. Nothing in them is secret.

    Attributes:
        path: what the parameters' names begin with.
        reading: the IAM document of who may read the list.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:access_list:AccessList"

    path: str
    reading: pulumi.Output[str]

    def __init__(self, name: str, args: AccessListArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self.path = f"/{pulumi.get_project()}/{pulumi.get_stack()}/access"
        parameters = [
            self._parameter(
                f"team-{team}",
                f"teams/{team}",
                writers=[args.roles[team].writer, *entry.members],
                readers=[args.roles[team].reader],
                **({"notBefore": entry.not_before} if entry.not_before else {}),
            )
            for team, entry in args.teams.items()
        ]
        if args.admin_role_arn is not None:
            self._parameter("admins", "admins", admins=[args.admin_role_arn])
        self.reading = rendered(read_access_list, parameters[0].arn, self.path)
        self.register_outputs({"path": self.path})

    def _parameter(self, role: str, name: str, **entry: Any) -> aws.ssm.Parameter:
        return aws.ssm.Parameter(
            f"{self._name}-{role}",
            name=f"{self.path}/{name}",
            type="String",
            tier="Standard",
            # Not `value`, which Pulumi hides: a preview shows who gets in.
            insecure_value=pulumi.Output.all(**entry).apply(lambda known: entry_text(name, known)),
            opts=self._child,
        )


def entry_text(name: str, entry: Mapping[str, Any]) -> str:
    """Return one parameter's JSON, the same for the same entry in whatever order.

    Raises:
        ValueError: SSM would not take it.
    """
    ordered = {key: sorted(set(value)) if isinstance(value, list) else value for key, value in entry.items()}
    text = json.dumps(ordered, separators=(",", ":"), sort_keys=True)
    if len(text) > LONGEST:
        raise ValueError(
            f"{name}: its roles' ARNs take {len(text)} characters, and SSM takes {LONGEST}:"
            " give members in fewer roles, or part the team in two"
        )
    return text
