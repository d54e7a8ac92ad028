"""IAM roles and what they may do."""

import json
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, shown, tag_list, tag_map
from rehearsal.aws.refusals import policy_document

ROLE_NAME_LENGTH = 64
ROLE = {"path": "Path", "description": "Description", "maxSessionDuration": "MaxSessionDuration"}


def create_role(account: Account, inputs: Inputs) -> str:
    """Make a role; its id is its name."""
    name = inputs.autoname(longest=ROLE_NAME_LENGTH)
    account.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=policy_document(inputs["assumeRolePolicy"]),
        Tags=tag_list(inputs.get("tagsAll", {})),
        **inputs.take(ROLE),
    )
    return name


def read_role(account: Account, identity: str) -> dict[str, Any]:
    """Describe a role."""
    role = account.client("iam").get_role(RoleName=identity)["Role"]
    return {
        **shown(role, {**ROLE, "name": "RoleName", "arn": "Arn", "uniqueId": "RoleId"}),
        "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
        "tagsAll": tag_map(role.get("Tags", [])),
    }


def create_role_policy(account: Account, inputs: Inputs) -> str:
    """Give a role an inline policy."""
    role, name = inputs["role"], inputs.autoname()
    account.client("iam").put_role_policy(
        RoleName=role, PolicyName=name, PolicyDocument=policy_document(inputs["policy"])
    )
    return f"{role}:{name}"


def read_role_policy(account: Account, identity: str) -> dict[str, Any]:
    """Describe an inline policy."""
    role, name = identity.split(":", 1)
    answer = account.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {
        **shown(answer, {"role": "RoleName", "name": "PolicyName"}),
        "policy": json.dumps(answer["PolicyDocument"]),
    }


HANDLERS = {
    "aws:iam/role:Role": Handler(create_role, read_role),
    "aws:iam/rolePolicy:RolePolicy": Handler(create_role_policy, read_role_policy),
}
