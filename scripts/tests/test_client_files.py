from pathlib import Path

import pytest

from aws_config import Profile
from bad_input import BadInputError
from client_files import ClientFiles

PROFILE = Profile(
    name="mlflow-vision",
    role_arn="arn:aws:iam::111122223333:role/mlflow-vision-writer",
    source_key="source_profile",
    source="work",
    region="eu-west-1",
    ca_bundle=None,
)
VARIABLES = {"MLFLOW_TRACKING_URI": "https://mlflow.example.com", "AWS_PROFILE": "mlflow-vision"}


@pytest.fixture
def files(machine: Path) -> ClientFiles:
    return ClientFiles(
        profile="mlflow-vision",
        config=machine / "config",
        credentials=machine / "credentials",
        environment=machine / "vision.env",
    )


def apply(files: ClientFiles) -> None:
    for change in files.join(PROFILE, VARIABLES):
        change.apply()


def test_leaving_restores_the_machine(files: ClientFiles) -> None:
    before = files.config.read_bytes()
    apply(files)
    assert files.faults() == []
    for change in files.leave():
        change.apply()
    assert files.config.read_bytes() == before
    assert not files.environment.exists()


def test_foreign_lines_of_the_environment_file_stay(files: ClientFiles) -> None:
    files.environment.write_text("AWS_ENDPOINT_URL=https://127.0.0.1:4566\n")
    apply(files)
    assert files.environment.read_text().startswith("AWS_ENDPOINT_URL=https://127.0.0.1:4566\n\n# >>>")
    for change in files.leave():
        change.apply()
    assert files.environment.read_text() == "AWS_ENDPOINT_URL=https://127.0.0.1:4566\n"


def test_variable_set_outside_the_marks_is_a_fault(files: ClientFiles) -> None:
    files.environment.write_text("export AWS_PROFILE=mine\n")
    assert files.faults() == [
        (
            f"{files.environment} sets AWS_PROFILE outside this script's marks; "
            "remove these lines or choose another file with --env-file FILE"
        )
    ]


@pytest.mark.parametrize(
    ("file", "section"), [("config", "[profile mlflow-vision]"), ("credentials", "[mlflow-vision]")]
)
def test_foreign_profile_of_the_same_name_is_a_fault(
    files: ClientFiles, machine: Path, file: str, section: str
) -> None:
    (machine / file).write_text(f"{section}\nregion = eu-west-1\n")
    assert files.faults() == [
        (
            f"{machine / file} already has a profile 'mlflow-vision' that this script did not write; "
            "choose another name with --profile NAME, or remove it"
        )
    ]


def test_own_profile_is_no_fault(files: ClientFiles) -> None:
    apply(files)
    assert files.faults() == []


def test_damaged_marks_are_a_fault(files: ClientFiles) -> None:
    files.config.write_text("# >>> mlflow-tracking mlflow-vision >>>\n")
    assert "the marks in" in files.faults()[0]


def test_file_that_is_no_text_is_a_fault(files: ClientFiles) -> None:
    files.environment.write_bytes(b"\xff\xfe")
    assert "cannot be read" in files.faults()[0]


@pytest.mark.parametrize("value", ["/my files/ca.pem", "/ca'.pem", "/$HOME/ca.pem", "/ca.pem\nX=1", ""])
def test_value_that_shells_and_docker_read_differently_is_refused(files: ClientFiles, value: str) -> None:
    with pytest.raises(BadInputError, match="AWS_CA_BUNDLE"):
        files.join(PROFILE, VARIABLES | {"AWS_CA_BUNDLE": value})
