"""Principals: who AWS says that somebody is, as a stack's config spells it."""

import re
from typing import Any

from config_reader import ConfigReader

PRINCIPAL = re.compile(
    r"\d{12}|arn:aws(-[a-z-]+)?:iam::\d{12}:(root|role/[\w+=,.@/-]+|user/[\w+=,.@/-]+)", re.ASCII
)
ROLE = re.compile(
    r"arn:(?P<partition>aws(-[a-z-]+)?):iam::(?P<account>\d{12}):role/([\w+=,.@-]+/)*(?P<name>[\w+=,.@-]{1,64})",
    re.ASCII,
)
ALLOWED_PRINCIPAL = (
    "the ARN of an IAM role or user, arn:aws:iam::<account>:root or a 12-digit account id in quotes; never *"
)
EXAMPLE_PRINCIPAL = "arn:aws:iam::111122223333:role/data-science"


def read_principals(config: ConfigReader, path: str, values: Any, *, at_least: int) -> tuple[str, ...]:
    """Return a list of those who may assume a role, nobody twice."""
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


def identity(role_arn: str) -> tuple[str, str, str] | None:
    """Return what tells a role from every other: partition, account and name; None for what is no role's ARN.

    STS says no path of a session's role, and IAM takes a name once per account, in whatever case.
    """
    match = ROLE.fullmatch(role_arn)
    return (match["partition"], match["account"], match["name"].lower()) if match else None
