"""Stands here because `smoke_tests/` holds only what runs against a stack."""

import re
from pathlib import Path

import pytest

from scripts.tests.stand_in import EVERYTHING, Laptop, StandIn
from smoke_tests.stack import SettingsError, Stack

SMOKE = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
REFUSALS = "smoke_tests/test_refusals.py"
ENVIRONMENT = {"MLFLOW_TRACKING_URI": "https://mlflow.example.com", "MLFLOW_WORKSPACE": "vision"}


def failed(said: str) -> set[str]:
    return set(re.findall(r"^FAILED \S+::test_(.*?)(?: - .*)?$", said, re.MULTILINE))


@pytest.fixture
def keys(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_environment_names_the_stack(keys: None) -> None:
    stack = Stack.from_environment(ENVIRONMENT | {"MLFLOW_TRACKING_URI": "https://mlflow.example.com/"})
    assert (stack.tracking_uri, stack.team) == ("https://mlflow.example.com", "vision")
    assert stack.other_team != stack.team


def test_every_wrong_setting_is_told_at_once(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "gone")
    wrong = {
        "MLFLOW_TRACKING_URI": "mlflow.example.com",
        "MLFLOW_WORKSPACE": "Vision!",
        "SMOKE_OTHER_TEAM": "",
        "AWS_CA_BUNDLE": "/nowhere/ca.pem",
    }
    with pytest.raises(SettingsError) as refusal:
        Stack.from_environment(wrong)
    named = [*wrong, "The config profile (gone) could not be found"]
    faults = str(refusal.value).splitlines()[1:-1]
    assert [name for name, fault in zip(named, faults, strict=True) if name in fault] == named


def test_own_team_is_no_other_team(keys: None) -> None:
    with pytest.raises(SettingsError, match="SMOKE_OTHER_TEAM is 'vision', our own team"):
        Stack.from_environment(ENVIRONMENT | {"SMOKE_OTHER_TEAM": "vision"})


@pytest.fixture(scope="module")
def member(stack: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """Return the laptop of somebody who has joined the vision team."""
    laptop = Laptop(stack, tmp_path_factory.mktemp("member"))
    code, said = laptop.onboard()
    assert code == 0, said
    laptop.load(laptop.folder / "vision.env")
    return laptop


@pytest.mark.rehearsal
def test_missing_settings_end_the_session_with_exit_code_2(laptop: Laptop) -> None:
    code, said = laptop.run(*SMOKE, "smoke_tests")
    assert code == 2
    assert "MLFLOW_TRACKING_URI is ''" in said
    assert "boto3 finds none" in said


@pytest.mark.rehearsal
def test_stack_without_a_login_is_noticed(member: Laptop) -> None:
    """The stand-in is MLflow's own server, which asks nobody who they are."""
    code, said = member.run(*SMOKE, "smoke_tests/test_login.py", "-k", "without_a_token or workspace")
    assert code == 1, said
    noticed = failed(said)
    for test in (
        "without_a_token_nothing_answers[-GET]",
        "without_a_token_nothing_answers[graphql-POST]",
        "another_workspace_is_refused[the other team's]",
        "only_our_own_workspace_is_listed",
    ):
        assert test in noticed


@pytest.mark.rehearsal
def test_too_mighty_role_is_noticed(stack: StandIn, member: Laptop) -> None:
    with stack.rights("vision-writer", EVERYTHING):
        code, said = member.run(*SMOKE, REFUSALS)
    assert code == 1, said
    assert failed(said) == {
        "listing_outside_our_prefix_is_refused[the root]",
        "listing_outside_our_prefix_is_refused[all teams]",
        "listing_outside_our_prefix_is_refused[teams whose name begins like ours]",
        "listing_outside_our_prefix_is_refused[the other team]",
        "listing_without_a_prefix_is_refused",
        "reading_the_other_teams_prefix_is_refused",
        "writing_to_the_other_teams_prefix_is_refused",
        "deleting_our_own_artifact_is_refused",
    }


@pytest.mark.rehearsal
def test_public_bucket_is_noticed(stack: StandIn, member: Laptop) -> None:
    with stack.public_bucket():
        code, said = member.run(*SMOKE, REFUSALS)
    assert code == 1, said
    assert {"public_reading_is_refused", "public_listing_is_refused"} <= failed(said)
