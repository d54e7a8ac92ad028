import json
from typing import Any

import pytest

from bad_input import BadInputError
from scripts.tests.upgrading.names import NAMES, OUTPUTS
from upgrading.names import find_upgrade


def changed(**values: Any) -> str:
    return json.dumps({**OUTPUTS, "upgrade": OUTPUTS["upgrade"] | values})


def test_the_names_are_found() -> None:
    assert find_upgrade(json.dumps(OUTPUTS)) == NAMES
    cluster = NAMES.cluster.rsplit("/", 1)[1]
    assert NAMES.resource_id == f"service/{cluster}/{NAMES.service}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster", "prod"),
        ("service", ""),
        ("database", "Backend"),
        ("migration", "arn:aws:ecs:eu-west-1:111122223333:task-definition/migration"),
        ("logGroup", None),
        ("network", {"subnets": ["subnet-0a"]}),
        ("held", []),
        ("held", ["tracking-server-service"]),
    ],
)
def test_a_wrong_name_is_told(name: str, value: Any) -> None:
    with pytest.raises(BadInputError) as error:
        find_upgrade(changed(**{name: value}))
    (fault,) = error.value.faults
    assert fault.startswith(f"upgrade.{name} in the stack's outputs is {value!r}, not ")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BadInputError) as error:
        find_upgrade(changed(cluster="", service="", held=""))
    assert len(error.value.faults) == 3


def test_an_older_stack_is_told_as_such() -> None:
    with pytest.raises(BadInputError, match="the stack is older than the upgrade: pulumi up"):
        find_upgrade(json.dumps({**OUTPUTS, "upgrade": None}))
