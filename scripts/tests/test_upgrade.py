"""What scripts/upgrade.py refuses before anything is begun; rehearsal/tests/test_upgrade.py has the rest."""

import json
from pathlib import Path

import pytest

import upgrade
from scripts.tests.upgrading.names import OUTPUTS

BAD_INPUT = 2
PULUMI = "#!/bin/sh\ncat {outputs}\n"


@pytest.fixture
def team(tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an environment file; `pulumi` prints a stack's outputs, and AWS knows nobody."""
    (machine / "outputs.json").write_text(json.dumps(OUTPUTS))
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(PULUMI.format(outputs=machine / "outputs.json"))
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{pulumi.parent}:/usr/bin:/bin")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    file = tmp_path / "team.env"
    file.write_text("# of onboarding\nMLFLOW_TRACKING_URI=https://mlflow.example.com\n")
    return file


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert upgrade.main([str(argument) for argument in arguments]) == BAD_INPUT
    said = capsys.readouterr().err
    assert "nothing was begun" in said
    return said


def test_every_fault_is_told_at_once(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    team.write_text("MLFLOW_TRACKING_URI=mlflow.example.com\n")
    said = refused(capsys, "--smoke-environment", team, "--adopting-team", "robots")
    assert f"MLFLOW_TRACKING_URI in {team} is 'mlflow.example.com'" in said
    assert "--adopting-team is 'robots': the stack has speech, vision" in said
    assert "this shell holds no credentials" in said


def test_a_file_that_is_not_there_is_told(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--smoke-environment cannot be read" in refused(capsys, "--smoke-environment", team.parent / "no")


def test_without_pulumi_nothing_is_begun(
    team: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(team.parent))
    assert "pulumi is not installed here" in refused(capsys, "--smoke-environment", team)


def test_an_older_stack_is_told(team: Path, machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "outputs.json").write_text(json.dumps({**OUTPUTS, "upgrade": None}))
    assert "the stack is older than the upgrade" in refused(capsys, "--smoke-environment", team)


@pytest.mark.parametrize(
    "arguments", [[], ["--dry-run"], ["--smoke-environment", "x", "--dry-run", "--back"]]
)
def test_arguments_that_do_not_fit_end_with_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        upgrade.main(arguments)
    assert error.value.code == BAD_INPUT
