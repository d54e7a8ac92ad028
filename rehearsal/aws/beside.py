"""What the emulator lacks and the rehearsal does in its place; `rehearsal/unrehearsed.py` lists it."""

import json
import secrets
import uuid
from typing import Any

from rehearsal.aws.account import Account
from rehearsal.aws.inputs import tag_list

PASSWORD_BYTES = 24
INSTANCE_TAG = "aws:rds:primaryDBInstanceArn"


def make_master_secret(account: Account, instance_arn: str, username: str) -> None:
    """Keep the master user's name and a new password, as RDS does."""
    account.client("secretsmanager").create_secret(
        Name=f"rds!db-{uuid.uuid4()}",
        SecretString=json.dumps({"username": username, "password": secrets.token_urlsafe(PASSWORD_BYTES)}),
        Tags=tag_list({INSTANCE_TAG: instance_arn, "aws:secretsmanager:owningService": "rds"}),
    )


def master_secrets(account: Account, instance_arn: str) -> list[dict[str, Any]]:
    """Describe the secret that belongs to an instance."""
    found = account.client("secretsmanager").list_secrets(
        Filters=[{"Key": "tag-value", "Values": [instance_arn]}]
    )["SecretList"]
    return [
        {"secretArn": secret["ARN"], "secretStatus": "active"}
        for secret in found
        if {"Key": INSTANCE_TAG, "Value": instance_arn} in secret["Tags"]
    ]


def tag_flow_log(account: Account, identity: str, tags: dict[str, str]) -> None:
    """Tag a flow log after its creation."""
    if tags:
        account.client("ec2").create_tags(Resources=[identity], Tags=tag_list(tags))
