"""Who calls: strangers of each kind, and those whom the stack's access list names."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from rehearsal.processes import wait_until
from rehearsal.stack import DOMAIN, RehearsedStack
from rehearsal.teams import OTHER_PERSON, OTHER_TEAM, PERSON, PLATFORM_ENGINEER, READER, STRANGER, TEAM
from rehearsal.tests.isolation.client import Headers
from rehearsal.tests.login import token

WORKSPACE = "X-MLFLOW-WORKSPACE"
# The emulator takes an access key of twelve digits for the root of that account.
OTHER_ACCOUNT = "111122223333"
UNAUTHENTICATED, DENIED = (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED")
# How each is answered on every route but the open ones.
STRANGERS = {
    "no token": UNAUTHENTICATED,
    "malformed": UNAUTHENTICATED,
    "expired": UNAUTHENTICATED,
    "other server's": UNAUTHENTICATED,
    "other account's": DENIED,
    "unknown role": DENIED,
}


def callers(stack: RehearsedStack) -> dict[str, Headers]:
    """Return the headers with which each comes; a token is signed for each who has one."""
    assert stack.deployment is not None
    outputs, account, emulator = stack.deployment.outputs, stack.prerequisites, stack.emulator
    roles = outputs["teams"]
    writer = account.take(PERSON, roles[TEAM]["writerRoleArn"])
    keys = {
        "reader": account.take(READER, roles[TEAM]["readerRoleArn"]),
        "other team's writer": account.take(OTHER_PERSON, roles[OTHER_TEAM]["writerRoleArn"]),
        "admin": account.take(PLATFORM_ENGINEER, outputs["adminRoleArn"]),
        "unknown role": account.take(PERSON, account.roles[STRANGER]),
        "other account's": _of_other_account(stack, roles[TEAM]["writerRoleArn"]),
        "writer": writer,
    }
    expired, signed_at = token(emulator, writer, DOMAIN, seconds=1), time.time()
    tokens = {name: token(emulator, each, DOMAIN) for name, each in keys.items()} | {
        "other server's": token(emulator, writer, f"other.{DOMAIN}"),
        "malformed": "mlflow-aws-v1." + base64.urlsafe_b64encode(b"https://sts.example.com/").decode(),
        "expired": expired,
    }
    wait_until(lambda: None if time.time() > signed_at + 2 else "still good", what="the token", seconds=10)
    bearers: dict[str, Headers] = {
        name: (("Authorization", f"Bearer {each}"),) for name, each in tokens.items()
    }
    bearers["no token"] = ()
    bearers["admin without a team"] = bearers["admin"]
    bearers["admin"] = (*bearers["admin"], (WORKSPACE, TEAM))
    return bearers


def _of_other_account(stack: RehearsedStack, role_arn: str) -> dict[str, Any]:
    """Return a session of a role with the path and name of the team's own, in another account."""
    *path, name = role_arn.partition(":role")[2].split("/")
    root = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), OTHER_ACCOUNT)
    iam = stack.emulator.client("iam", **root)
    user = iam.create_user(UserName="mallory")["User"]["Arn"]
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_user_policy(UserName="mallory", PolicyName="may", PolicyDocument=_document(may))
    key = iam.create_access_key(UserName="mallory")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, Path="/".join(path) + "/", AssumeRolePolicyDocument=_document(trust)
    )["Role"]["Arn"]
    assert role.replace(OTHER_ACCOUNT, role_arn.split(":")[4]) == role_arn
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    taken = stack.emulator.client("sts", **keys).assume_role(RoleArn=role, RoleSessionName="rehearsal")
    return {
        "aws_access_key_id": taken["Credentials"]["AccessKeyId"],
        "aws_secret_access_key": taken["Credentials"]["SecretAccessKey"],
        "aws_session_token": taken["Credentials"]["SessionToken"],
    }


def _document(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
