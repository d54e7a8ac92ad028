"""CloudWatch log groups."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown

# The provider refuses other spans (PutRetentionPolicy's API reference); the emulator takes any.
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def create_log_group(account: Account, inputs: Inputs) -> str:
    """Make a log group."""
    logs = account.client("logs")
    name = inputs.autoname()
    logs.create_log_group(logGroupName=name, tags=inputs.get("tagsAll", {}))
    if "retentionInDays" in inputs:
        if inputs["retentionInDays"] not in RETENTION_DAYS:
            raise ValueError(
                f"retentionInDays: received {inputs['retentionInDays']}, allowed {RETENTION_DAYS}"
            )
        logs.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
    return name


def read_log_group(account: Account, identity: str) -> dict[str, Any]:
    """Describe a log group."""
    logs = account.client("logs")
    found = logs.describe_log_groups(logGroupNamePrefix=identity)["logGroups"]
    group = only([group for group in found if group["logGroupName"] == identity], identity)
    arn = group["logGroupArn"]
    return {
        **shown(group, {"name": "logGroupName", "retentionInDays": "retentionInDays"}),
        "arn": arn,
        "tagsAll": logs.list_tags_for_resource(resourceArn=arn)["tags"],
    }


HANDLERS = {"aws:cloudwatch/logGroup:LogGroup": Handler(create_log_group, read_log_group)}
