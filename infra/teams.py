"""The teams of a stack: who may assume whose roles."""

import re
from dataclasses import dataclass
from typing import Any

from config_reader import ConfigReader, nearest

KEY = "teams"
FIELDS = ("writers", "readers")
# A workspace name that MLflow takes, short enough for the role that bears it (IAM: 64 characters).
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")
# MLflow's default workspace is nobody's; the others are paths of its own.
RESERVED = ("ajax-api", "api", "default", "static-files", "workspaces")
PRINCIPAL = re.compile(
    r"\d{12}|arn:aws(-[a-z-]+)?:iam::\d{12}:(root|role/[\w+=,.@/-]+|user/[\w+=,.@/-]+)", re.ASCII
)
ALLOWED_PRINCIPAL = (
    "the ARN of an IAM role or user, arn:aws:iam::<account>:root or a 12-digit account id in quotes; never *"
)
EXAMPLE_PRINCIPAL = "arn:aws:iam::111122223333:role/data-science"


@dataclass(frozen=True, kw_only=True)
class Team:
    """Who works in one team, as IAM principals.

    Attributes:
        writers: may log runs and write artifacts.
        readers: may only read.
    """

    writers: tuple[str, ...]
    readers: tuple[str, ...]

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
    return {name: _read_team(config, name, teams[name]) for name in sorted(teams)}


def _read_team(config: ConfigReader, name: str, fields: Any) -> Team:
    # As Pulumi spells a path through a key that is no plain word.
    path = f"{KEY}.{name}" if re.fullmatch(r"[\w-]+", name) else f'{KEY}["{name}"]'
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
    for field in sorted(set(fields) - set(FIELDS)):
        config.refuse(
            f"{path}.{field}",
            fields[field],
            allowed=f"{nearest(field, FIELDS)}a team has writers and readers",
            command=f"rm --path '{path}.{field}'",
        )
    return Team(
        writers=_principals(config, f"{path}.writers", fields.get("writers"), at_least=1),
        readers=_principals(config, f"{path}.readers", fields.get("readers", []), at_least=0),
    )


def _principals(config: ConfigReader, path: str, values: Any, *, at_least: int) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) < at_least:
        config.refuse_shape(
            path,
            values,
            allowed=f"a list{' of one or more' if at_least else ''}; each {ALLOWED_PRINCIPAL}",
            first=f"{path}[0]",
            example=EXAMPLE_PRINCIPAL,
        )
        return ()
    for place, value in enumerate(values):
        # `pulumi config set --path` makes a number of an account id.
        if isinstance(value, bool) or not PRINCIPAL.fullmatch(str(value)):
            config.refuse(
                f"{path}[{place}]",
                value,
                allowed=ALLOWED_PRINCIPAL,
                command=f"set --path '{path}[{place}]' {EXAMPLE_PRINCIPAL}",
            )
    return tuple(dict.fromkeys(map(str, values)))
