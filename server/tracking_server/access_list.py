"""Which role is which team's and at what level, and since when: the stack's list, kept in SSM parameters."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .caller import Caller, Level
from .errors import AccessListError
from .identity import Identity, Role, role_of
from .refusal import Refusal
from .variables import workspace

ADMINS = "admins"
TEAMS = "teams/"
LISTS = {"writers": Level.WRITER, "readers": Level.READER}
NOT_BEFORE = "notBefore"
CONNECT_SECONDS = 3
READ_SECONDS = 5
TRIES = 2
LOG = logging.getLogger("tracking_server.access")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a role is let in for; an admin for no team in particular."""

    team: str | None
    level: Level


@dataclass(frozen=True, kw_only=True)
class AccessList:
    """The list as it was read at one time.

    Attributes:
        grants: of each role; a role in more than one is let in nowhere.
        teams: each with the time before which no login of it counts, in seconds since 1970.
        faults: a sentence for each parameter or role that is not obeyed.
    """

    grants: Mapping[Role, frozenset[Grant]]
    teams: Mapping[str, float]
    faults: tuple[str, ...] = ()

    def admit(self, identity: Identity, signed_at: float, now: float) -> Caller | Refusal:
        """Return who it is in this stack."""
        role, grants = identity.role, self.grants.get(identity.role, frozenset())
        if len(grants) != 1:
            return _stranger(role) if not grants else _ambiguous(role)
        (grant,) = grants
        not_before = self.teams.get(grant.team, 0.0) if grant.team else 0.0
        if signed_at < not_before or now < not_before:
            return _shut(grant.team, not_before)
        return Caller(name=identity.session, team=grant.team, level=grant.level)


def load(path: str, region: str) -> AccessList:
    """Read the list from SSM.

    Raises:
        AccessListError: it cannot be read.
    """
    limits = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": TRIES}
    )
    try:
        client = boto3.client("ssm", region_name=region, config=limits)
        pages = client.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
        parameters = {
            parameter["Name"].removeprefix(f"{path}/"): parameter["Value"]
            for page in pages
            for parameter in page["Parameters"]
        }
    except ClientError as error:
        reason = f"SSM answers {error.response['Error']['Code']}"
    except BotoCoreError as error:
        reason = str(error)
    else:
        return parse(parameters)
    raise AccessListError(
        f"the access list {path} cannot be read: {reason}; "
        "the task role needs ssm:GetParametersByPath: pulumi up"
    )


def parse(parameters: Mapping[str, str]) -> AccessList:
    """Make the list of its parameters; one that cannot be read lets nobody in."""
    grants: dict[Role, frozenset[Grant]] = {}
    teams: dict[str, float] = {}
    faults = [] if parameters else ["the access list has no parameters, so nobody comes in: pulumi up"]
    for name, text in sorted(parameters.items()):
        try:
            found, team, not_before = _entry(name, text)
        except ValueError as error:
            faults.append(f"the access list's parameter {name!r} lets nobody in: {error}")
            continue
        if team is not None:
            teams[team] = not_before
        for role, grant in found:
            grants[role] = grants.get(role, frozenset()) | {grant}
    faults += [
        f"role {role.name} of account {role.account} lets nobody in: it is listed more than once"
        for role, found in grants.items()
        if len(found) > 1
    ]
    return AccessList(grants=grants, teams=teams, faults=tuple(faults))


def _entry(name: str, text: str) -> tuple[list[tuple[Role, Grant]], str | None, float]:
    entry = json.loads(text)
    if name == ADMINS:
        (arns,) = _members(entry, (ADMINS,))
        return _granted(arns, Grant(team=None, level=Level.ADMIN)), None, 0.0
    if not name.startswith(TEAMS):
        raise ValueError(f"it is neither {ADMINS} nor under {TEAMS}")
    team = workspace(name.removeprefix(TEAMS))
    not_before = _time(entry.pop(NOT_BEFORE)) if isinstance(entry, dict) and NOT_BEFORE in entry else 0.0
    roles: list[tuple[Role, Grant]] = []
    for arns, level in zip(_members(entry, tuple(LISTS)), LISTS.values(), strict=True):
        roles += _granted(arns, Grant(team=team, level=level))
    return roles, team, not_before


def _members(entry: Any, names: tuple[str, ...]) -> list[list[str]]:
    if not isinstance(entry, dict) or entry.keys() != set(names):
        raise ValueError(f"it must have {' and '.join(names)}, and no other key")
    lists = [entry[name] for name in names]
    if not all(isinstance(one, list) for one in lists):
        raise ValueError(f"{' and '.join(names)} must be lists")
    return lists


def _granted(arns: Iterable[object], grant: Grant) -> list[tuple[Role, Grant]]:
    return [(role_of(arn), grant) for arn in arns]


def _time(text: object) -> float:
    if not isinstance(text, str):
        raise ValueError(f"{NOT_BEFORE} must be a time such as 2026-11-23T12:00:00Z")  # noqa: TRY004 - one kind
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def _stranger(role: Role) -> Refusal:
    return Refusal(
        status=403,
        rule="role not of this stack",
        message=f"Role {role.name} of account {role.account} is in no team of this stack; log in with "
        "your team's role, or ask the platform engineer for: pulumi config set --path "
        f"'mlflow-tracking:teams.<team>.members[0]' <ARN of {role.name}> && pulumi up",
    )


def _ambiguous(role: Role) -> Refusal:
    return Refusal(
        status=403,
        rule="role listed twice",
        message=f"Role {role.name} of account {role.account} is listed for more than one team or level, "
        "so for none; ask the platform engineer to mend `teams`, then: pulumi up",
    )


def _shut(team: str | None, not_before: float) -> Refusal:
    when = datetime.fromtimestamp(not_before, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Refusal(
        status=403,
        rule="before notBefore",
        message=f"Team {team} is shut to logins made before {when}; log in anew after that, or ask "
        f"the platform engineer for: pulumi config rm --path 'mlflow-tracking:teams.{team}.{NOT_BEFORE}' "
        "&& pulumi up",
    )
