import os
from pathlib import Path

import pytest

import verification
from bad_input import BadInputError
from identity import IdentityError, RoleDeniedError
from reachability import UnreachableError
from stack_outputs import TeamAccess
from verification import Client, VerificationError, check_role, verify

TEAM = TeamAccess(
    tracking_uri="https://mlflow.example.com",
    region="eu-west-1",
    workspace="vision",
    role_arn="arn:aws:iam::111122223333:role/mlflow-vision-writer",
    artifact_root="s3://artifacts/workspaces/vision",
    chat_parameter="/mlflow-tracking/prod/chat/vision",
)
CLIENT = Client(
    access="writer",
    team=TEAM,
    profile="work",
    source_profile="default",
    variables={"MLFLOW_TRACKING_URI": TEAM.tracking_uri, "AWS_PROFILE": "work"},
)


CONFIG = (
    f"[default]\nregion = eu-west-1\n[profile work]\nrole_arn = {TEAM.role_arn}\nsource_profile = default\n"
)


def refused() -> str:
    with pytest.raises(BadInputError) as refusal:
        check_role(CLIENT, CONFIG)
    (fault,) = refusal.value.faults
    return fault


def told(client: Client = CLIENT) -> str:
    with pytest.raises(VerificationError) as failed:
        verify(client, lambda _: None)
    return str(failed.value)


def test_denied_role_names_who_was_denied_and_where_to_add_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def caller(session: object, *, source: str) -> str:
        if session.profile_name == "work":  # type: ignore[attr-defined]
            raise RoleDeniedError("no")
        return "arn:aws:iam::111122223333:user/ada"

    monkeypatch.setattr(verification, "caller_arn", caller)
    assert refused() == (
        f"arn:aws:iam::111122223333:user/ada may not assume {TEAM.role_arn}. "
        "Ask the platform engineer to put it under teams.vision.writers of the stack's configuration, "
        "then: pulumi up"
    )


def test_unusable_credentials_are_told(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def caller(*_: object, **__: object) -> str:
        raise IdentityError("the credentials of profile default have expired: renew them")

    monkeypatch.setattr(verification, "caller_arn", caller)
    assert refused() == "the credentials of profile default have expired: renew them"


def test_silent_server_is_told_with_the_command_that_looks_closer(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object, **__: object) -> None:
        raise UnreachableError("no answer")

    monkeypatch.setattr(verification, "wait_for_server", wait)
    assert told() == "no answer. Look closer: curl -v https://mlflow.example.com/health"


def test_exported_keys_do_not_stand_in_for_the_role(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setattr(verification, "caller_arn", lambda *_, **__: seen.update(os.environ) or "arn")
    assert check_role(CLIENT, CONFIG) == "arn"
    assert seen["AWS_PROFILE"] == "work"
    assert "AWS_ACCESS_KEY_ID" not in seen
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKID"
    assert "AWS_PROFILE" not in os.environ


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("PERMISSION_DENIED: role x is not of this stack: ask", "role x is not of this stack: ask"),
        ("UNAUTHENTICATED: no login came: pip install ./client", "no login came: pip install ./client"),
        ("TEMPORARILY_UNAVAILABLE: STS does not answer: again", "STS does not answer: again"),
        (
            "API request to https://x/api failed with exception boto3 finds none: set -a",
            "boto3 finds none: set -a",
        ),
    ],
)
def test_what_the_login_says_reaches_the_person_as_it_is(answer: str, sentence: str) -> None:
    assert verification._refused(CLIENT, answer) == f"the server could not be used: {sentence}"
