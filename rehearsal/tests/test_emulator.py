"""What the emulator's IAM lacked is judged as AWS does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.emulator import ACCOUNT_ID, REGION, Emulator
from rehearsal.prerequisites import Prerequisites

PARAMETERS = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter"

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def reader(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """SSM as a person who may read the parameters under one path."""
    prerequisites = Prerequisites(emulator, tmp_path_factory.mktemp("aws"), domain="parameters.example.com")
    prerequisites.add_person("parameter-reader")
    right = {"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": f"{PARAMETERS}/mine"}
    emulator.client("iam").put_user_policy(
        UserName="parameter-reader",
        PolicyName="parameters",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [right]}),
    )
    return emulator.client("ssm", **prerequisites.keys["parameter-reader"])


@pytest.fixture(autouse=True)
def parameters(emulator: Emulator) -> Iterator[None]:
    ssm, names = emulator.client("ssm"), ["/mine/a", "/mine/deeper/b", "/mines/c"]
    for name in names:
        ssm.put_parameter(Name=name, Value=name, Type="String")
    yield
    ssm.delete_parameters(Names=names)


def test_parameters_are_read_by_the_path_that_the_right_names(reader: Any) -> None:
    found = reader.get_parameters_by_path(Path="/mine", Recursive=True)["Parameters"]
    assert [parameter["Name"] for parameter in found] == ["/mine/a", "/mine/deeper/b"]


@pytest.mark.parametrize("path", ["/", "/mines", "/min"])
def test_no_other_path_is_read(path: str, reader: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        reader.get_parameters_by_path(Path=path, Recursive=True)
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
