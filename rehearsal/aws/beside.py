"""What the emulator lacks and the rehearsal does in its place, in the open."""

import json
import secrets
import uuid
from typing import Any

from rehearsal.aws.account import Account
from rehearsal.aws.inputs import tag_list

# Shown by `make rehearse`: what is not the emulator's own, and why.
BESIDE_THE_EMULATOR = {
    "RDS-managed master password": (
        "the emulator ignores ManageMasterUserPassword on an instance: a secret is made in the emulated "
        "Secrets Manager, named and tagged as RDS would"
    ),
    "ids of nothing and documents that are none": (
        "the emulator lets most of them pass: they are looked up and read before it is asked"
    ),
    "tags of a flow log": "the emulator drops them at creation: they are added afterwards",
    "application autoscaling": (
        "the emulator has none: targets and policies are held against AWS's API model, the emulated service, "
        "load balancer and target group, and kept in memory; nothing scales"
    ),
}

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
