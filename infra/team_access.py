"""Team access: the IAM roles by which each team reaches its own artifacts, and nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from data_buckets import READ_WRITE
from documents import rendered
from policies import (
    WORKSPACES,
    Document,
    read_all_artifacts,
    read_parameter,
    read_team_artifacts,
    trust_principals,
    use_data,
    write_team_artifacts,
)
from teams import Team

SESSION_SECONDS = 3600
# What clients take for: no chat. SSM takes no empty value.
NO_CHAT = "unset"


@dataclass(frozen=True, kw_only=True)
class TeamAccessArgs:
    """What team access is made from.

    Attributes:
        teams: who may assume which team's roles, by team name.
        admins: who may assume the admin role; nobody means that there is none.
        bucket: name of the artifact store's bucket.
        bucket_arn: its ARN.
    """

    teams: Mapping[str, Team]
    admins: tuple[str, ...]
    bucket: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class TeamRoles:
    """ARNs of a team's roles."""

    writer: pulumi.Output[str]
    reader: pulumi.Output[str]


class TeamAccess(pulumi.ComponentResource):
    """A writer and a reader role for each team, and one for the admins when there are any.

    Creates each role with an inline policy for the artifacts and, where the team lists data buckets, one for
    those. The admins' is to see all teams through the tracking server; of the bucket it only reads what lies
    under the teams' prefixes. Role names are generated: people and programs take the ARNs from the stack's
    outputs. The path is the project's and the stack's name, so that a policy elsewhere can name all roles of
    a stack.

    Each team has an SSM parameter for the address of its chat, a secret that its writers read. Somebody sets
    it by hand; no later up puts it back.

    Attributes:
        roles: each team's roles, by team name.
        admin_role_arn: the admin role, or None.
        teams: what each team's members need to know, by team name; nothing in it is secret.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:team_access:TeamAccess"

    roles: dict[str, TeamRoles]
    admin_role_arn: pulumi.Output[str] | None
    teams: dict[str, dict[str, pulumi.Input[str]]]

    def __init__(self, name: str, args: TeamAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._chats = {team: self._chat(team) for team in args.teams}
        self.roles = {team: self._team_roles(team) for team in args.teams}
        self.admin_role_arn = self._admin_role() if args.admins else None
        self.teams = {
            team: {
                "writerRoleArn": roles.writer,
                "readerRoleArn": roles.reader,
                "workspace": team,
                "artifactRoot": pulumi.Output.concat("s3://", args.bucket, f"/{WORKSPACES}/{team}"),
                "chatParameter": self._chats[team].name,
            }
            for team, roles in self.roles.items()
        }
        self.register_outputs({"teams": self.teams})

    def _team_roles(self, name: str) -> TeamRoles:
        team, bucket_arn = self._args.teams[name], self._args.bucket_arn
        writable = {bucket: right == READ_WRITE for bucket, right in team.data_buckets.items()}
        return TeamRoles(
            writer=self._role(
                f"{name}-writer",
                f"writer of team {name}",
                team.writers,
                {
                    "artifacts": rendered(write_team_artifacts, bucket_arn, name),
                    "chat": rendered(read_parameter, self._chats[name].arn),
                    **self._data_grant(name, writable),
                },
            ),
            reader=self._role(
                f"{name}-reader",
                f"reader of team {name}",
                team.who_may_read,
                {
                    "artifacts": rendered(read_team_artifacts, bucket_arn, name),
                    **self._data_grant(name, dict.fromkeys(writable, False)),
                },
            ),
        )

    def _chat(self, team: str) -> aws.ssm.Parameter:
        return aws.ssm.Parameter(
            f"{self._name}-{team}-chat",
            name=f"/{pulumi.get_project()}/{pulumi.get_stack()}/chat/{team}",
            type="SecureString",
            tier="Standard",
            # Written once and never read back: neither it nor what it is set to comes into the state.
            value_wo=NO_CHAT,
            value_wo_version=1,
            opts=self._child,
        )

    def _data_grant(self, team: str, writable: Mapping[str, bool]) -> dict[str, pulumi.Output[str]]:
        return {"data": rendered(data_rights, self._args.bucket_arn, team, writable)} if writable else {}

    def _admin_role(self) -> pulumi.Output[str]:
        reading = rendered(read_all_artifacts, self._args.bucket_arn)
        return self._role("admin", "admin of all teams", self._args.admins, {"artifacts": reading})

    def _role(
        self,
        bearer: str,
        description: str,
        principals: tuple[str, ...],
        grants: Mapping[str, pulumi.Input[str]],
    ) -> pulumi.Output[str]:
        role = aws.iam.Role(
            f"{self._name}-{bearer}",
            description=f"MLflow: {description}",
            path=f"/{pulumi.get_project()}/{pulumi.get_stack()}/",
            max_session_duration=SESSION_SECONDS,
            assume_role_policy=json.dumps(trust_principals(principals)),
            opts=self._child,
        )
        for purpose, document in grants.items():
            aws.iam.RolePolicy(
                f"{self._name}-{bearer}-{purpose}", role=role.name, policy=document, opts=self._child
            )
        return role.arn


def data_rights(artifact_bucket_arn: str, team: str, writable: Mapping[str, bool]) -> Document:
    """Return a team's rights in its data buckets.

    Raises:
        ValueError: one of them is the artifact store's, where a team has its own prefix and no more.
    """
    _, partition, *_, artifact_bucket = artifact_bucket_arn.split(":")
    if artifact_bucket in writable:
        raise ValueError(
            f"teams.{team}.dataBuckets: {artifact_bucket} holds the artifacts of all teams; take it out:"
            f" pulumi config rm --path 'teams.{team}.dataBuckets.{artifact_bucket}'"
        )
    return use_data(writable, partition)
