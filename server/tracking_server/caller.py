"""Who makes a request: set for each before MLflow sees it, and inherited by MLflow's threads."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What a caller may do in its workspace; an admin may do it in every team's."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One authenticated caller.

    Attributes:
        name: the IAM session's, which the caller chose, or whoever vouched for it: SSO, CI, EC2.
        team: None for an admin.
    """

    name: str
    team: str | None
    level: Level


CALLER: ContextVar[Caller] = ContextVar("caller")
