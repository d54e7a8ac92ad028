"""SSM parameters in plain text."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map
from rehearsal.aws.refusals import parameter_value

PARAMETER = {"name": "Name", "type": "Type", "tier": "Tier"}


def create_parameter(account: Account, inputs: Inputs) -> str:
    """Make a parameter; its id is its name."""
    name, tier = inputs.autoname(), inputs.get("tier", "Standard")
    account.client("ssm").put_parameter(
        Name=name,
        Type=inputs["type"],
        Tier=tier,
        Value=parameter_value(inputs["insecureValue"], tier),
        Tags=tag_list(inputs.get("tagsAll", {})),
    )
    return name


def read_parameter(account: Account, identity: str) -> dict[str, Any]:
    """Describe a parameter and read it."""
    ssm = account.client("ssm")
    found = ssm.describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [identity]}]
    )["Parameters"]
    value = ssm.get_parameter(Name=identity)["Parameter"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=identity)["TagList"]
    return {
        **shown(only(found, identity), PARAMETER),
        **shown(value, {"insecureValue": "Value", "arn": "ARN", "version": "Version"}),
        "tagsAll": tag_map(tags),
    }


HANDLERS = {"aws:ssm/parameter:Parameter": Handler(create_parameter, read_parameter)}
