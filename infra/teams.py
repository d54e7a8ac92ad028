"""The teams of a stack: who may assume whose roles, who logs in as they are, and what else they reach."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from config_reader import ConfigReader, config_path, nearest, words
from data_buckets import read_data_buckets
from principals import EXAMPLE_PRINCIPAL, identity, read_principals

KEY = "teams"
FIELDS = ("writers", "readers", "members", "dataBuckets", "notBefore")
# A workspace name that MLflow takes, short enough for the role that bears it (IAM: 64 characters).
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
# MLflow's default workspace is nobody's; the others are paths of its own.
RESERVED = ("ajax-api", "api", "default", "static-files", "workspaces")
ALLOWED_MEMBER = "the ARN of one IAM role, no user, session or account; never *"
EXAMPLE_MEMBER = "arn:aws:iam::111122223333:role/training-jobs"
# The second is how Pulumi hands on a time that stands in YAML without quotes.
TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S +0000 UTC")
EXAMPLE_TIME = "2026-11-23T12:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Team:
    """Who works in one team, as IAM principals, and what they reach besides their own prefix.

    Attributes:
        writers: may log runs and write artifacts, with the team's writer role.
        readers: may only read, with its reader role.
        members: roles of the team's own that are writers as they are.
        data_buckets: `read` or `read-write` by bucket, for the team's roles; readers only read.
        not_before: no login signed before this time is taken; spelt as `EXAMPLE_TIME`, empty for none.
    """

    writers: tuple[str, ...]
    readers: tuple[str, ...]
    members: tuple[str, ...] = ()
    data_buckets: Mapping[str, str] = field(default_factory=dict)
    not_before: str = ""

    @property
    def who_may_read(self) -> tuple[str, ...]:
        """Readers, and writers who want no more than to read."""
        return tuple(dict.fromkeys(self.readers + self.writers))


def read_teams(config: ConfigReader) -> dict[str, Team]:
    """Return the teams by name, in alphabetical order."""
    teams = config.structure(KEY)
    if not isinstance(teams, dict) or not teams:
        config.refuse_shape(
            KEY,
            teams if teams != {} else None,  # the default
            allowed="an object with at least one team: {<team>: {writers: [...], readers: [...]}}",
            first=f"{KEY}.vision.writers[0]",
            example=EXAMPLE_PRINCIPAL,
        )
        return {}
    read = {name: _read_team(config, name, teams[name]) for name in sorted(teams)}
    _refuse_shared_members(config, read)
    return read


def _read_team(config: ConfigReader, name: str, fields: Any) -> Team:
    path = config_path(KEY, name)
    if not NAME.fullmatch(name) or name in RESERVED:
        config.refuse(
            path,
            name,
            allowed=f"2 to 32 of a-z, 0-9 and -, from a letter to no -; not {', '.join(RESERVED)}",
            command=f"rm --path '{path}'",
        )
    if not isinstance(fields, dict):
        config.refuse_shape(
            path,
            fields,
            allowed="an object with writers and, optionally, readers",
            first=f"{path}.writers[0]",
            example=EXAMPLE_PRINCIPAL,
        )
        return Team(writers=(), readers=())
    for unknown in sorted(set(fields) - set(FIELDS)):
        entry = config_path(path, unknown)
        config.refuse(
            entry,
            fields[unknown],
            allowed=f"{nearest(unknown, FIELDS)}a team has {words(FIELDS)}",
            command=f"rm --path '{entry}'",
        )
    return Team(
        writers=read_principals(config, f"{path}.writers", fields.get("writers"), at_least=1),
        readers=read_principals(config, f"{path}.readers", fields.get("readers", []), at_least=0),
        members=_members(config, f"{path}.members", fields.get("members", [])),
        data_buckets=read_data_buckets(config, f"{path}.dataBuckets", fields.get("dataBuckets", {})),
        not_before=_time(config, f"{path}.notBefore", fields["notBefore"]) if "notBefore" in fields else "",
    )


def _members(config: ConfigReader, path: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        config.refuse_shape(
            path,
            values,
            allowed=f"a list; each {ALLOWED_MEMBER}",
            first=f"{path}[0]",
            example=EXAMPLE_MEMBER,
        )
        return ()
    for place, value in enumerate(values):
        if not isinstance(value, str) or identity(value) is None:
            config.refuse(
                f"{path}[{place}]",
                value,
                allowed=ALLOWED_MEMBER,
                command=f"set --path '{path}[{place}]' {EXAMPLE_MEMBER}",
            )
    return tuple(map(str, values))


def _refuse_shared_members(config: ConfigReader, teams: Mapping[str, Team]) -> None:
    """Refuse a role that is a member twice: the login would not know whose it is."""
    first: dict[tuple[str, str, str], str] = {}
    for name, team in teams.items():
        for place, arn in enumerate(team.members):
            who = identity(arn)
            if who is None:
                continue
            path = f"{config_path(KEY, name)}.members[{place}]"
            if who in first:
                config.refuse(
                    path,
                    arn,
                    allowed=f"a role that is a member once; this one is {first[who]} too",
                    command=f"rm --path '{path}'",
                )
            first.setdefault(who, path)


def _time(config: ConfigReader, path: str, value: Any) -> str:
    for form in TIMES:
        try:
            moment = datetime.strptime(str(value), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return moment.isoformat().replace("+00:00", "Z")
    config.refuse(
        path,
        value,
        allowed=f"a time in UTC, to the second and with its Z, such as {EXAMPLE_TIME}",
        command=f"set --path '{path}' {EXAMPLE_TIME}",
    )
    return ""
