"""Who STS says a caller is, and the one kind of it that may come in: a role's session."""

import re
from dataclasses import dataclass

from .refusal import Refusal

SESSION = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sts::(?P<account>[0-9]{12})"
    r":assumed-role/(?P<name>[A-Za-z0-9_+=,.@-]{1,64})/(?P<session>[A-Za-z0-9_+=,.@-]{2,64})"
)
ROLE = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12})"
    r":role/(?:[!-~]*/)?(?P<name>[A-Za-z0-9_+=,.@-]{1,64})"
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role as both ARNs name it; a path is in IAM's only, and no two of an account differ by it alone."""

    partition: str
    account: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A role's session.

    Attributes:
        role: which role it is.
        session: its name, given by whoever assumed the role.
    """

    role: Role
    session: str


def identity_of(arn: str) -> Identity | Refusal:
    """Read the ARN of STS's answer."""
    if found := SESSION.fullmatch(arn):
        return Identity(role=_role(found), session=found["session"])
    return Refusal(
        status=403,
        rule="no role",
        message="Only sessions of IAM roles log in, not users, root or federated users: "
        "export AWS_PROFILE=<a profile that assumes your team's role>",
    )


def role_of(arn: object) -> Role:
    """Read the ARN of a role.

    Raises:
        ValueError: it is none.
    """
    found = ROLE.fullmatch(arn) if isinstance(arn, str) else None
    if not found:
        raise ValueError(f"{arn!r} is no ARN of a role")
    return _role(found)


def _role(found: re.Match[str]) -> Role:
    return Role(partition=found["partition"], account=found["account"], name=found["name"])
