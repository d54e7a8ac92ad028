import json
from typing import Any

import pytest

import policies
from client.mlflow_team.chat.address import UNSET
from infra.tests.conftest import ADMIN, CONFIG, FULL_CONFIG, PaperCloud, declare
from rehearsal.deployment import Deployment, DeploymentError, Resource
from team_access import data_rights

pytestmark = pytest.mark.rehearsal

WRITER = "arn:aws:iam::111122223333:role/vision"
READER = "444455556666"


def team_roles(stack: Deployment) -> dict[str, Resource]:
    roles = stack.of_type("aws:iam/role:Role")
    return {role.name: role for role in roles if role.name.startswith("team-access-")}


def grants(stack: Deployment) -> dict[str, dict[str, Any]]:
    """Return the policies of each team role, by role and purpose."""
    roles = {role.outputs["name"]: name for name, role in team_roles(stack).items()}
    found: dict[str, dict[str, Any]] = {name: {} for name in roles.values()}
    for policy in stack.of_type("aws:iam/rolePolicy:RolePolicy"):
        if bearer := roles.get(policy.inputs["role"]):
            purpose = policy.name.removeprefix(f"{bearer}-")
            found[bearer][purpose] = json.loads(policy.inputs["policy"])
    return found


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
        ("team-access-admin", [ADMIN]),
    ],
)
def test_role_trusts_exactly_the_given_principals(
    public_stack: Deployment, role: str, principals: list[str]
) -> None:
    trust = json.loads(team_roles(public_stack)[role].inputs["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}


def test_sessions_end_after_an_hour(public_stack: Deployment) -> None:
    assert {role.inputs["maxSessionDuration"] for role in team_roles(public_stack).values()} == {3600}


def test_path_names_all_roles_of_a_stack_and_no_others(public_stack: Deployment) -> None:
    assert {role.inputs["path"] for role in team_roles(public_stack).values()} == {"/mlflow-tracking/paper/"}


def chats(stack: Deployment) -> dict[str, Resource]:
    """Return the parameter of each team's chat."""
    of_chats = "/mlflow-tracking/paper/chat/"
    parameters = stack.of_type("aws:ssm/parameter:Parameter")
    named = {str(p.inputs["name"]): p for p in parameters}
    return {name.removeprefix(of_chats): p for name, p in named.items() if name.startswith(of_chats)}


def test_chats_address_is_secret_and_in_no_state(stack: Deployment) -> None:
    assert set(chats(stack)) == {"speech", "vision"}
    for parameter in chats(stack).values():
        inputs = parameter.inputs
        # With AWS's own key, which decrypts for whoever may read: no key to pay and no right on one.
        assert (inputs["type"], inputs["tier"], inputs.get("keyId")) == ("SecureString", "Standard", None)
        # A write-only value, which the provider writes again when its version changes.
        assert (inputs["valueWo"], inputs["valueWoVersion"]) == (UNSET, 1)
        assert parameter.secret_inputs == {("valueWo",)}
        assert not {"value", "insecureValue"} & {key for key, value in inputs.items() if value is not None}


def test_role_has_its_artifact_policy_and_the_writer_its_chat(stack: Deployment) -> None:
    bucket = stack.one("aws:s3/bucket:Bucket").outputs["arn"]
    chat = {team: policies.read_parameter(p.outputs["arn"]) for team, p in chats(stack).items()}
    assert not stack.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    assert grants(stack) == {
        f"team-access-{team}-{level}": {
            "artifacts": rights(bucket, team),
            **({"chat": chat[team]} if level == "writer" else {}),
        }
        for team in ("speech", "vision")
        for level, rights in (
            ("writer", policies.write_team_artifacts),
            ("reader", policies.read_team_artifacts),
        )
    }


def test_data_buckets_are_for_their_teams_roles_and_readers_only_read_them(public_stack: Deployment) -> None:
    data = {role: purposes["data"] for role, purposes in grants(public_stack).items() if "data" in purposes}
    assert data == {
        "team-access-vision-writer": policies.use_data({"images": False, "labels": True}, "aws"),
        "team-access-vision-reader": policies.use_data({"images": False, "labels": False}, "aws"),
    }


def test_admins_role_reads_all_artifacts_and_has_no_other_right(public_stack: Deployment) -> None:
    bucket = public_stack.one("aws:s3/bucket:Bucket").outputs["arn"]
    assert grants(public_stack)["team-access-admin"] == {"artifacts": policies.read_all_artifacts(bucket)}


def test_team_of_the_name_admin_does_not_meet_the_admins_role() -> None:
    stack = declare({**FULL_CONFIG, "teams": {"admin": FULL_CONFIG["teams"]["vision"]}}, dry_run=True)
    assert set(team_roles(stack)) == {
        "team-access-admin",
        "team-access-admin-writer",
        "team-access-admin-reader",
    }


def test_partition_of_data_buckets_is_the_stacks() -> None:
    rights = data_rights("arn:aws-cn:s3:::store", "vision", {"images": True})
    assert rights == policies.use_data({"images": True}, "aws-cn")


def test_artifact_bucket_is_no_data_bucket() -> None:
    """Its name is known only once it is there, so a first preview cannot say so."""
    bucket = "artifact-store-bucket-1a2b3c4"
    vision = {"writers": [WRITER], "dataBuckets": {bucket: "read"}}
    with pytest.raises(DeploymentError) as failure:
        declare({**CONFIG, "teams": {"vision": vision}}, cloud=PaperCloud())
    assert (
        f"teams.vision.dataBuckets: {bucket} holds the artifacts of all teams; take it out: "
        f"pulumi config rm --path 'teams.vision.dataBuckets.{bucket}'"
    ) in str(failure.value)


def test_outputs_tell_a_team_what_it_needs(stack: Deployment) -> None:
    roles = team_roles(stack)
    assert set(stack.outputs["teams"]) == {"speech", "vision"}
    assert stack.outputs["teams"]["vision"] == {
        "writerRoleArn": roles["team-access-vision-writer"].outputs["arn"],
        "readerRoleArn": roles["team-access-vision-reader"].outputs["arn"],
        "workspace": "vision",
        "artifactRoot": f"s3://{stack.outputs['artifactBucket']}/workspaces/vision",
        "chatParameter": "/mlflow-tracking/paper/chat/vision",
    }
