import json

import pytest

from rehearsal.deployment import Deployment, Resource

pytestmark = pytest.mark.rehearsal

WRITER = "arn:aws:iam::111122223333:role/vision"
READER = "444455556666"


def team_roles(stack: Deployment) -> dict[str, Resource]:
    roles = stack.of_type("aws:iam/role:Role")
    return {role.name: role for role in roles if role.name.startswith("team-access-")}


def test_each_team_has_a_writer_and_a_reader(stack: Deployment) -> None:
    assert set(team_roles(stack)) == {
        f"team-access-{team}-{level}" for team in ("speech", "vision") for level in ("writer", "reader")
    }


@pytest.mark.parametrize(
    ("role", "principals"),
    [
        ("team-access-vision-writer", [WRITER]),
        ("team-access-vision-reader", [READER, WRITER]),
        ("team-access-speech-writer", [WRITER]),
        ("team-access-speech-reader", [WRITER]),
    ],
)
def test_role_trusts_exactly_the_given_principals(
    stack: Deployment, role: str, principals: list[str]
) -> None:
    trust = json.loads(team_roles(stack)[role].inputs["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}


def test_sessions_end_after_an_hour(stack: Deployment) -> None:
    assert {role.inputs["maxSessionDuration"] for role in team_roles(stack).values()} == {3600}


def test_path_names_all_roles_of_a_stack_and_no_others(stack: Deployment) -> None:
    assert {role.inputs["path"] for role in team_roles(stack).values()} == {"/mlflow-tracking/paper/"}


def test_role_has_its_artifact_policy_and_no_other(stack: Deployment) -> None:
    names = {role.outputs["name"] for role in team_roles(stack).values()}
    policies = [p for p in stack.of_type("aws:iam/rolePolicy:RolePolicy") if p.inputs["role"] in names]
    assert sorted(p.inputs["role"] for p in policies) == sorted(names)
    assert not stack.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    for policy in policies:
        team = policy.name.split("-")[2]
        assert f"workspaces/{team}/*" in policy.inputs["policy"]


def test_outputs_tell_a_team_what_it_needs(stack: Deployment) -> None:
    roles = team_roles(stack)
    assert set(stack.outputs["teams"]) == {"speech", "vision"}
    assert stack.outputs["teams"]["vision"] == {
        "writerRoleArn": roles["team-access-vision-writer"].outputs["arn"],
        "readerRoleArn": roles["team-access-vision-reader"].outputs["arn"],
        "workspace": "vision",
        "artifactRoot": f"s3://{stack.outputs['artifactBucket']}/workspaces/vision",
    }
