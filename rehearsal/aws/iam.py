"""IAM roles and what they may do."""

import json
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map

ROLE_NAME_LENGTH = 64
ROLE = {"path": "Path", "description": "Description", "maxSessionDuration": "MaxSessionDuration"}


def create_role(account: Account, inputs: Inputs) -> str:
    """Make a role; its id is its name."""
    name = inputs.autoname(longest=ROLE_NAME_LENGTH)
    account.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
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
    account.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])
    return f"{role}:{name}"


def read_role_policy(account: Account, identity: str) -> dict[str, Any]:
    """Describe an inline policy."""
    role, name = identity.split(":", 1)
    answer = account.client("iam").get_role_policy(RoleName=role, PolicyName=name)
    return {
        **shown(answer, {"role": "RoleName", "name": "PolicyName"}),
        "policy": json.dumps(answer["PolicyDocument"]),
    }


def create_role_policy_attachment(account: Account, inputs: Inputs) -> str:
    """Give a role a managed policy."""
    role, policy = inputs["role"], inputs["policyArn"]
    account.client("iam").attach_role_policy(RoleName=role, PolicyArn=policy)
    return f"{role}/{policy}"


def read_role_policy_attachment(account: Account, identity: str) -> dict[str, Any]:
    """Describe that a role has a managed policy."""
    role, policy = identity.split("/", 1)
    attached = account.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    found = only([p for p in attached if p["PolicyArn"] == policy], identity)
    return {"role": role, "policyArn": found["PolicyArn"]}


HANDLERS = {
    "aws:iam/role:Role": Handler(create_role, read_role),
    "aws:iam/rolePolicy:RolePolicy": Handler(create_role_policy, read_role_policy),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Handler(
        create_role_policy_attachment, read_role_policy_attachment
    ),
}
