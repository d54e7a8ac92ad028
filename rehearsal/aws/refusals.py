"""What AWS refuses and the emulator lets through: ids of nothing, documents that are none."""

import json
from typing import Any

from rehearsal.aws.account import Account
from rehearsal.wire import walk

# Prefix of an EC2 id to how it is looked up.
LOOK_UP = {
    "vpc-": ("describe_vpcs", "VpcIds"),
    "subnet-": ("describe_subnets", "SubnetIds"),
    "sg-": ("describe_security_groups", "GroupIds"),
    "rtb-": ("describe_route_tables", "RouteTableIds"),
    "igw-": ("describe_internet_gateways", "InternetGatewayIds"),
    "nat-": ("describe_nat_gateways", "NatGatewayIds"),
    "eipalloc-": ("describe_addresses", "AllocationIds"),
}
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
LIFECYCLE_RULE = {"rulePriority", "selection", "action"}
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
LONGEST_PARAMETER = {"Standard": 4096, "Advanced": 8192}


def refuse_dangling_ids(account: Account, declared: dict[str, Any]) -> None:
    """Look up every EC2 id among the inputs.

    Raises:
        botocore.exceptions.ClientError: EC2 says that it is not there.
        LookupError: EC2 describes nothing by that id.
    """
    for path, value in walk(declared):
        for prefix, (operation, argument) in LOOK_UP.items():
            if not (isinstance(value, str) and value.startswith(prefix)) or path[0] in {
                "name",
                "tags",
                "tagsAll",
            }:
                continue
            answer = getattr(account.client("ec2"), operation)(**{argument: [value]})
            if not any(found for key, found in answer.items() if key != "ResponseMetadata"):
                raise LookupError(f"{'.'.join(map(str, path))}: there is no {value}")


def policy_document(text: str) -> str:
    """Return an IAM document.

    Raises:
        ValueError: it is no JSON object with statements.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or not document.get("Statement"):
        raise ValueError(f"no IAM document: {text}")
    return text


def lifecycle_document(text: str) -> str:
    """Return an ECR lifecycle policy.

    Raises:
        ValueError: it is no JSON object with rules, or a rule lacks what ECR requires.
    """
    document = json.loads(text)
    rules = document.get("rules") if isinstance(document, dict) else None
    if not rules or any(set(rule) - {"description"} != LIFECYCLE_RULE for rule in rules):
        raise ValueError(f"no lifecycle policy: {text}")
    return text


def parameter_value(text: str, tier: str) -> str:
    """Return an SSM parameter's value.

    Raises:
        ValueError: it is longer than its tier takes.
    """
    if len(text.encode()) > LONGEST_PARAMETER.get(tier, 0):
        raise ValueError(f"a parameter of tier {tier} takes {LONGEST_PARAMETER}, not {len(text)} characters")
    return text
