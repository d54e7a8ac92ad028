from collections.abc import Callable

import pytest

from bad_input import BadInputError
from stack_outputs import find_team

Outputs = Callable[..., str]


def faults(text: str, team: str = "vision", access: str = "writer") -> list[str]:
    with pytest.raises(BadInputError) as refusal:
        find_team(text, team, access)
    return refusal.value.faults


@pytest.mark.parametrize("access", ["writer", "reader"])
def test_team_is_found_with_the_role_of_its_access(outputs: Outputs, access: str) -> None:
    team = find_team(outputs(trackingUri="https://mlflow.example.com/"), "vision", access)
    assert team.role_arn.endswith(f"role/mlflow-vision-{access}")
    assert team.tracking_uri == "https://mlflow.example.com"
    assert team.artifact_root == "s3://artifacts/workspaces/vision"


def test_unknown_team_lists_the_known_and_the_nearest(outputs: Outputs) -> None:
    assert faults(outputs(), team="visoin") == [
        "unknown team 'visoin': the stack has speech, vision; did you mean --team vision?"
    ]


def test_team_like_no_other_gets_no_guess(outputs: Outputs) -> None:
    assert faults(outputs(), team="robotics") == ["unknown team 'robotics': the stack has speech, vision"]


def test_every_fault_is_told_at_once(outputs: Outputs) -> None:
    entry = {"workspace": "speech", "artifactRoot": "s3://elsewhere/workspaces/vision"}
    found = faults(outputs(trackingUri=None, region=None, artifactBucket=None, teams={"vision": entry}))
    named = [
        "trackingUri",
        "region",
        "artifactBucket",
        "writerRoleArn",
        "workspace",
        "artifactRoot",
        "chatParameter",
    ]
    assert [name for name, fault in zip(named, found, strict=True) if name in fault] == named


def test_artifacts_of_another_bucket_are_refused(outputs: Outputs) -> None:
    assert faults(outputs(artifactBucket="another")) == [
        (
            "teams.vision.artifactRoot in the stack's outputs is 's3://artifacts/workspaces/vision', not "
            "'s3://another/workspaces/vision'; make them anew: pulumi stack output --json"
        )
    ]


@pytest.mark.parametrize("teams", [None, {}, ["vision"]])
def test_outputs_without_teams_are_refused(outputs: Outputs, teams: object) -> None:
    assert "teams in the stack's outputs is" in faults(outputs(teams=teams))[0]


@pytest.mark.parametrize(("text", "said"), [("", "not JSON"), ("{", "not JSON"), ("[]", "a JSON list")])
def test_what_is_no_json_object_is_refused(text: str, said: str) -> None:
    assert said in faults(text)[0]
