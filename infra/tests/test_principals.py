import json
from typing import Any

import pytest

from config_reader import ConfigReader
from faults import Fault
from principals import read_principals

ROLE = "arn:aws:iam::111122223333:role/vision"


def read(principals: Any) -> tuple[tuple[str, ...], list[Fault]]:
    config = ConfigReader({})
    return read_principals(config, "admins", principals, at_least=0), config.faults


@pytest.mark.parametrize(
    "principal",
    [
        ROLE,
        "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Data_0a1b",
        "arn:aws:iam::111122223333:user/ci@example.com",
        "arn:aws:iam::111122223333:root",
        "arn:aws-us-gov:iam::111122223333:role/vision",
        "111122223333",
    ],
)
def test_principal_is_taken(principal: str) -> None:
    assert read([principal]) == ((principal,), [])


def test_account_id_that_became_a_number_is_an_account_id() -> None:
    assert read([111122223333]) == (("111122223333",), [])


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        "arn:aws:iam::*:root",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:group/data",
        "arn:aws:sts::111122223333:assumed-role/vision/me",
        "1111",
        1111,
        True,
        None,
        {"AWS": "*"},
        f"{ROLE}\n",
    ],
)
def test_principal_is_refused_with_the_command_that_mends_it(principal: Any) -> None:
    _, (fault,) = read([principal])
    assert fault.key == "admins[0]"
    assert fault.received == ("nothing" if principal is None else json.dumps(principal))
    assert "never *" in fault.allowed
    assert fault.command.startswith("pulumi config set --path 'admins[0]' arn:aws:iam::")
