from pathlib import Path

import botocore.session
import pytest

from aws_config import Profile, config_path, credentials_path, defines_profile, source_fault

PROFILE = Profile(
    name="mlflow-vision",
    role_arn="arn:aws:iam::111122223333:role/mlflow-vision-writer",
    source_key="source_profile",
    source="work",
    region="eu-west-1",
    ca_bundle=None,
)


def test_boto3_reads_the_section_as_it_is_meant(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "José García")
    with (machine / "config").open("a") as config:
        config.write("\n" + PROFILE.section() + "\n")
    read = botocore.session.Session(profile="mlflow-vision").get_scoped_config()
    assert read == {
        "role_arn": PROFILE.role_arn,
        "source_profile": "work",
        "role_session_name": "mlflow-Jos--Garc-a",
        "duration_seconds": "3600",
        "region": "eu-west-1",
    }


def test_nameless_user_gets_a_session_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert "role_session_name = mlflow-12345" in PROFILE.section()


def test_files_are_where_boto3_looks(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"AWS_CONFIG_FILE": "~/elsewhere", "AWS_SHARED_CREDENTIALS_FILE": "/keys"}
    monkeypatch.setenv("HOME", "/home/me")
    assert (config_path({}), credentials_path({})) == (
        Path("/home/me/.aws/config"),
        Path("/home/me/.aws/credentials"),
    )
    assert (config_path(environment), credentials_path(environment)) == (
        Path("/home/me/elsewhere"),
        Path("/keys"),
    )


def test_known_source_profile_passes(machine: Path) -> None:
    assert source_fault("mlflow-vision", "work") is None


def test_source_profile_of_the_credentials_file_passes(machine: Path) -> None:
    (machine / "credentials").write_text("[keys]\naws_access_key_id = AKIDEXAMPLE\n")
    assert source_fault("mlflow-vision", "keys") is None


def test_unknown_source_profile_lists_the_known(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "left-over")  # from an environment file whose profile is gone
    assert source_fault("mlflow-vision", "wrok") == (
        "unknown source profile 'wrok'; profiles here: default, work. "
        "Choose one with --source-profile NAME, or make it: aws configure sso"
    )


def test_profile_cannot_start_from_itself(machine: Path) -> None:
    assert "cannot start from itself" in str(source_fault("work", "work"))


def test_broken_configuration_is_told(machine: Path) -> None:
    (machine / "config").write_text("no section\n")
    assert "the AWS configuration cannot be read" in str(source_fault("mlflow-vision", "work"))


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("[profile me]\n", "me", True),
        ("\n  [ profile  'me' ]  # mine\n", "me", True),
        ('[profile "me"]\n', "me", True),
        ("[profile me-too]\n", "me", False),
        ("[me]\n", "me", False),
        ("[default]\n", "default", True),
        ("# [profile me]\n", "me", False),
    ],
)
def test_profiles_are_found_as_boto3_writes_them(text: str, name: str, *, found: bool) -> None:
    assert defines_profile(text, name) is found


def test_credentials_file_names_profiles_without_the_word(machine: Path) -> None:
    assert defines_profile("[me]\n", "me", credentials=True)
