"""Team access: the IAM roles by which each team reaches its own artifacts, and nothing else."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from documents import rendered
from policies import WORKSPACES, Document, read_team_artifacts, trust_principals, write_team_artifacts
from teams import Team

SESSION_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class TeamAccessArgs:
    """What team access is made from.

    Attributes:
        teams: who may assume which team's roles, by team name.
        bucket: name of the artifact store's bucket.
        bucket_arn: its ARN.
    """

    teams: Mapping[str, Team]
    bucket: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]


class TeamAccess(pulumi.ComponentResource):
    """A writer and a reader role for each team.

    Creates both roles with an inline policy each. Role names are generated: people and programs take the ARNs
    from the stack's outputs. The path is the project's and the stack's name, so that a policy elsewhere can
    name all roles of a stack.

    Attributes:
        teams: what each team's members need to know, by team name; nothing in it is secret.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:team_access:TeamAccess"

    teams: dict[str, dict[str, pulumi.Input[str]]]

    def __init__(self, name: str, args: TeamAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self.teams = {
            name: {
                "writerRoleArn": self._role(name, "writer", team.writers, write_team_artifacts),
                "readerRoleArn": self._role(name, "reader", team.who_may_read, read_team_artifacts),
                "workspace": name,
                "artifactRoot": pulumi.Output.concat("s3://", args.bucket, f"/{WORKSPACES}/{name}"),
            }
            for name, team in args.teams.items()
        }
        self.register_outputs({"teams": self.teams})

    def _role(
        self, team: str, level: str, principals: tuple[str, ...], rights: Callable[[str, str], Document]
    ) -> pulumi.Output[str]:
        role = aws.iam.Role(
            f"{self._name}-{team}-{level}",
            description=f"MLflow: {level} of team {team}",
            path=f"/{pulumi.get_project()}/{pulumi.get_stack()}/",
            max_session_duration=SESSION_SECONDS,
            assume_role_policy=json.dumps(trust_principals(principals)),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            f"{self._name}-{team}-{level}-artifacts",
            role=role.name,
            policy=rendered(rights, self._args.bucket_arn, team),
            opts=self._child,
        )
        return role.arn
