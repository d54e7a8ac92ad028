import json
from typing import Any

import pytest

from bad_input import BadInputError
from drill.names import PATTERNS, find_drill
from scripts.tests.drill.names import NAMES, OUTPUTS


def faults(**changes: Any) -> list[str]:
    drill = {**OUTPUTS["restoreDrill"], **changes}
    with pytest.raises(BadInputError) as refusal:
        find_drill(json.dumps({**OUTPUTS, "restoreDrill": drill}))
    return refusal.value.faults


def test_the_names_are_found() -> None:
    assert find_drill(json.dumps(OUTPUTS)) == NAMES


def test_a_stack_older_than_the_drill_is_told_to_come_up() -> None:
    with pytest.raises(BadInputError) as refusal:
        find_drill(json.dumps({"region": "eu-west-1"}))
    assert refusal.value.faults == [
        (
            "restoreDrill in the stack's outputs is None, not the drill's names; the stack is older than the "
            "drill: pulumi up, then pulumi stack output --json"
        )
    ]


def test_every_fault_is_told_at_once() -> None:
    wrong = dict.fromkeys(PATTERNS, "?") | {"subnets": [], "publicIp": "no"}
    found = faults(**wrong)
    assert len(found) == len(wrong)
    for name in wrong:
        assert any(f"restoreDrill.{name} " in fault for fault in found), name


@pytest.mark.parametrize("text", ["", "[]"])
def test_what_are_no_outputs_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        find_drill(text)
