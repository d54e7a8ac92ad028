"""SSM parameters: in plain text, or secret and written once."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map
from rehearsal.aws.refusals import parameter_value

SECRET = "SecureString"  # noqa: S105 - a kind, not a secret
PARAMETER = {"name": "Name", "type": "Type", "tier": "Tier"}


def create_parameter(account: Account, inputs: Inputs) -> str:
    """Make a parameter; its id is its name.

    Raises:
        ValueError: AWS or its provider would not take it.
    """
    name, tier = inputs.autoname(), inputs.get("tier", "Standard")
    account.client("ssm").put_parameter(
        Name=name,
        Type=inputs["type"],
        Tier=tier,
        Value=parameter_value(_value(inputs), tier),
        Tags=tag_list(inputs.get("tagsAll", {})),
    )
    return name


def read_parameter(account: Account, identity: str) -> dict[str, Any]:
    """Describe a parameter and read it."""
    ssm = account.client("ssm")
    found = ssm.describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [identity]}]
    )["Parameters"]
    # Without decryption: what a secret one holds is nobody's business here.
    value = ssm.get_parameter(Name=identity)["Parameter"]
    names = {"arn": "ARN", "version": "Version"}
    if value["Type"] != SECRET:
        names["insecureValue"] = "Value"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=identity)["TagList"]
    return {
        **shown(only(found, identity), PARAMETER),
        **shown(value, names),
        "tagsAll": tag_map(tags),
    }


def _value(inputs: Inputs) -> str:
    if inputs["type"] != SECRET:
        return str(inputs["insecureValue"])
    inputs["valueWoVersion"]  # tells the provider when to write it again
    return str(inputs["valueWo"])


HANDLERS = {"aws:ssm/parameter:Parameter": Handler(create_parameter, read_parameter)}
