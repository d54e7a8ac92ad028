import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from access_list import LONGEST, entry_text
from infra.tests.conftest import CONFIG, FULL_CONFIG, MEMBER, declare
from rehearsal.deployment import Deployment, DeploymentError, Resource

PARAMETER = "aws:ssm/parameter:Parameter"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"
Containers = Callable[[Deployment], dict[str, dict[str, Any]]]


def parameters(stack: Deployment) -> list[Resource]:
    return [p for p in stack.of_type(PARAMETER) if "/access/" in p.inputs["name"]]


def entries(stack: Deployment) -> dict[str, dict[str, Any]]:
    return {p.inputs["name"]: json.loads(p.inputs["insecureValue"]) for p in parameters(stack)}


def role_arn(stack: Deployment, name: str) -> str:
    (role,) = [role for role in stack.of_type("aws:iam/role:Role") if role.name == f"team-access-{name}"]
    return str(role.outputs["arn"])


@pytest.mark.rehearsal
def test_list_has_one_entry_per_team_with_its_roles_and_no_other(stack: Deployment) -> None:
    assert entries(stack) == {
        f"/mlflow-tracking/paper/access/teams/{team}": {
            "writers": [role_arn(stack, f"{team}-writer")],
            "readers": [role_arn(stack, f"{team}-reader")],
        }
        for team in ("speech", "vision")
    }


@pytest.mark.rehearsal
def test_members_write_and_times_and_admins_are_told(public_stack: Deployment) -> None:
    listed = entries(public_stack)
    assert listed["/mlflow-tracking/paper/access/teams/vision"] == {
        "writers": sorted([role_arn(public_stack, "vision-writer"), MEMBER]),
        "readers": [role_arn(public_stack, "vision-reader")],
        "notBefore": "2026-11-23T12:00:00Z",
    }
    assert listed["/mlflow-tracking/paper/access/admins"] == {"admins": [role_arn(public_stack, "admin")]}
    assert len(listed) == 3


@pytest.mark.rehearsal
def test_parameters_are_plain_free_and_shown_in_a_preview(public_stack: Deployment) -> None:
    for parameter in parameters(public_stack):
        assert (parameter.inputs["type"], parameter.inputs["tier"]) == ("String", "Standard")
        assert not parameter.secret_inputs
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
        assert re.fullmatch(r"(/[a-zA-Z0-9_.-]+){1,15}", parameter.inputs["name"])
        assert not re.match(r"/(aws|ssm)", parameter.inputs["name"], re.IGNORECASE)


@pytest.mark.rehearsal
def test_change_of_teams_changes_the_list_and_neither_task_nor_service(
    stack: Deployment, containers: Containers
) -> None:
    changed = declare(
        {
            **CONFIG,
            "admins": FULL_CONFIG["admins"],
            # `a-first` comes before all others, `speech` has gone.
            "teams": {"a-first": FULL_CONFIG["teams"]["speech"], "vision": FULL_CONFIG["teams"]["vision"]},
        }
    )
    assert entries(changed) != entries(stack)
    assert containers(changed) == containers(stack)
    for name in ("tracking-server-task", "migration-task"):
        assert changed.one(TASK, name).inputs == stack.one(TASK, name).inputs
    assert changed.one(SERVICE).inputs == stack.one(SERVICE).inputs
    task_policies = [
        {p.name: p.inputs["policy"] for p in one.of_type("aws:iam/rolePolicy:RolePolicy") if "task" in p.name}
        for one in (changed, stack)
    ]
    assert task_policies[0] == task_policies[1]


@pytest.mark.rehearsal
def test_entry_that_ssm_does_not_take_ends_the_program_with_a_sentence() -> None:
    members = [f"arn:aws:iam::111122223333:role/{'p' * 200}/job-{number}" for number in range(20)]
    teams = {**CONFIG["teams"], "vision": {**CONFIG["teams"]["vision"], "members": members}}
    with pytest.raises(
        DeploymentError, match=r"teams/vision: its roles' ARNs take \d+ characters, and SSM takes 4096: "
    ):
        declare({**CONFIG, "teams": teams})


def test_entry_is_the_same_text_in_whatever_order_it_was_written() -> None:
    text = entry_text("teams/vision", {"writers": ["b", "a", "a"], "readers": ["c"]})
    assert text == entry_text("teams/vision", {"readers": ["c"], "writers": ["a", "b"]})
    assert text == '{"readers":["c"],"writers":["a","b"]}'


def test_entry_may_be_as_long_as_ssm_takes_it() -> None:
    room = LONGEST - len(entry_text("admins", {"admins": [""]}))
    assert len(entry_text("admins", {"admins": ["a" * room]})) == 4096
    with pytest.raises(ValueError, match="admins: its roles' ARNs take 4097 characters"):
        entry_text("admins", {"admins": ["a" * (room + 1)]})
