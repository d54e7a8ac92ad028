import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import onboard
from bad_input import BadInputError
from file_change import FileChange
from verification import Client, VerificationError

JOIN = ["--team", "vision", "--outputs", "outputs.json"]

Snapshot = dict[str, bytes]


def snapshot(folder: Path) -> Snapshot:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Return the clients that were verified, without a network."""
    clients: list[Client] = []

    def verify(client: Client, tell: Callable[[str], None]) -> None:
        clients.append(client)
        tell("verified")

    monkeypatch.setattr(onboard, "check_role", lambda *_, **__: "arn")
    monkeypatch.setattr(onboard, "verify", verify)
    return clients


def test_joining_writes_the_profile_and_the_environment_file(machine: Path, verified: list[Client]) -> None:
    assert onboard.main(JOIN) == 0
    config = (machine / "config").read_text()
    assert (
        "[profile mlflow-vision]\nrole_arn = arn:aws:iam::111122223333:role/mlflow-vision-writer\n" in config
    )
    assert "source_profile = default\n" in config
    assert "duration_seconds = 3600\nregion = eu-west-1\n# <<<" in config
    assert (machine / "mlflow-vision.env").read_text().splitlines()[1:-1] == [
        "MLFLOW_TRACKING_URI=https://mlflow.example.com",
        "MLFLOW_TRACKING_AUTH=aws-role",
        "MLFLOW_TEAM_STS_REGION=eu-west-1",
        "MLFLOW_WORKSPACE=vision",
        "MLFLOW_EXPERIMENT_NAME=Default",
        "AWS_PROFILE=mlflow-vision",
        "MLFLOW_TEAM_CHAT_PARAMETER=/mlflow-tracking/prod/chat/vision",
    ]
    assert [client.profile for client in verified] == ["mlflow-vision"]


def test_last_lines_are_the_commands_that_show_install_and_load_it(
    machine: Path, verified: list[Client], capsys: pytest.CaptureFixture[str]
) -> None:
    onboard.main([*JOIN, "--env-file", "my team.env"])
    seen, train, undo, following = capsys.readouterr().out.splitlines()[-4:]
    assert seen.startswith("see it: (set -a; . './my team.env'; set +a; ")
    assert seen.endswith("bin/mlflow-team ui)")
    assert train.startswith("train: pip install ")
    assert train.endswith("/client, once, where aws-role is not known yet")
    assert following == "next: set -a; . './my team.env'; set +a"
    assert undo.startswith("take it back: ")
    assert undo.endswith(
        "scripts/onboard.py --undo --team vision --profile mlflow-vision --env-file './my team.env'"
    )


def test_joining_again_changes_nothing(machine: Path, verified: list[Client]) -> None:
    onboard.main(JOIN)
    before = snapshot(machine)
    assert onboard.main(JOIN) == 0
    assert snapshot(machine) == before


def test_undo_restores_the_machine_and_may_be_repeated(machine: Path, verified: list[Client]) -> None:
    before = snapshot(machine)
    onboard.main(JOIN)
    for _ in range(2):
        assert onboard.main(["--team", "vision", "--undo"]) == 0
        after = snapshot(machine)
        del after["config.before-mlflow-tracking"]
        assert after == before


def test_dry_run_shows_what_joining_writes_and_writes_nothing(
    machine: Path, verified: list[Client], capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(machine)
    assert onboard.main([*JOIN, "--dry-run"]) == 0
    assert snapshot(machine) == before
    assert verified == []
    shown = capsys.readouterr().out
    onboard.main(JOIN)
    for file in ("config", "mlflow-vision.env"):
        block = "".join((machine / file).read_text().partition("# >>>")[1:])
        assert "\n".join(f"+{line}" for line in block.splitlines()) in shown


def test_reader_gets_a_profile_beside_the_writers(machine: Path, verified: list[Client]) -> None:
    onboard.main(JOIN)
    onboard.main([*JOIN, "--access", "reader"])
    config = (machine / "config").read_text()
    assert "[profile mlflow-vision]" in config
    assert "role_arn = arn:aws:iam::111122223333:role/mlflow-vision-reader" in config
    # A reader's role may not read the chat's address.
    assert "CHAT" not in (machine / "mlflow-vision-reader.env").read_text()


def test_machines_own_role_needs_no_profile(machine: Path, verified: list[Client]) -> None:
    (machine / "config").unlink()
    assert onboard.main([*JOIN, "--credential-source", "EcsContainer"]) == 0
    config = (machine / "config").read_text()
    assert "credential_source = EcsContainer" in config
    assert "source_profile" not in config


def test_tunnel_and_bundle_reach_the_client(machine: Path, verified: list[Client]) -> None:
    uri = "https://mlflow.example.com:8443"
    assert onboard.main([*JOIN, "--tracking-uri", uri, "--ca-bundle", "ca.pem"]) == 0
    bundle = str(machine / "ca.pem")
    assert verified[0].variables == {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TRACKING_AUTH": "aws-role",
        "MLFLOW_TEAM_STS_REGION": "eu-west-1",
        "MLFLOW_WORKSPACE": "vision",
        "MLFLOW_EXPERIMENT_NAME": "Default",
        "AWS_PROFILE": "mlflow-vision",
        "MLFLOW_TEAM_CHAT_PARAMETER": "/mlflow-tracking/prod/chat/vision",
        "MLFLOW_TRACKING_SERVER_CERT_PATH": bundle,
        "AWS_CA_BUNDLE": bundle,
    }
    assert f"ca_bundle = {bundle}" in (machine / "config").read_text()


def test_no_secret_is_written(machine: Path, verified: list[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "exported-secret")
    (machine / "credentials").write_text("[default]\naws_secret_access_key = filed\n")
    before = snapshot(machine)
    onboard.main(JOIN)
    written = b"".join(text for name, text in snapshot(machine).items() if before.get(name) != text)
    assert b"mlflow-vision" in written
    assert b"exported-secret" not in written
    assert b"filed" not in written


def test_exported_keys_are_warned_of(
    machine: Path,
    verified: list[Client],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    onboard.main(JOIN)
    shown = capsys.readouterr().out
    assert "warning: AWS_ACCESS_KEY_ID in this shell win over any profile" in shown
    assert "next: unset AWS_ACCESS_KEY_ID; set -a;" in shown


def test_outputs_come_from_standard_input(
    machine: Path, verified: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO((machine / "outputs.json").read_text()))
    assert onboard.main(["--team", "vision", "--outputs", "-"]) == 0


@pytest.mark.parametrize(("arguments", "asked"), [([], []), (["--stack", "prod"], ["--stack", "prod"])])
def test_outputs_come_from_pulumi(
    machine: Path,
    verified: list[Client],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    asked: list[str],
) -> None:
    def pulumi(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command == ["pulumi", "stack", "output", "--json", *asked]
        return subprocess.CompletedProcess(command, 0, (machine / "outputs.json").read_text(), "")

    monkeypatch.setattr(subprocess, "run", pulumi)
    assert onboard.main(["--team", "vision", *arguments]) == 0


def test_pulumis_own_error_is_shown(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pulumi(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 255, "", "error: no stack named 'prod' found\n")

    monkeypatch.setattr(subprocess, "run", pulumi)
    assert onboard.main(["--team", "vision", "--stack", "prod"]) == 2
    assert "no stack named 'prod' found" in capsys.readouterr().err


def test_missing_pulumi_names_the_other_way(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(machine))
    assert onboard.main(["--team", "vision"]) == 2
    assert "give it with --outputs FILE" in capsys.readouterr().err


def test_every_fault_is_told_at_once_and_nothing_is_written(
    machine: Path, verified: list[Client], capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / "taken.env").mkdir()
    before = {path.name for path in machine.iterdir()}
    wrong = ["--team", "visoin", "--source-profile", "wrok", "--profile", "a b", "--tracking-uri", "mlflow"]
    code = onboard.main([*JOIN, *wrong, "--ca-bundle", "outputs.json", "--env-file", "taken.env"])
    assert code == 2
    first, *faults = capsys.readouterr().err.splitlines()
    assert first == "onboard: nothing was written:"
    named = [
        "--profile is 'a b'",
        "--tracking-uri is 'mlflow'",
        "--ca-bundle",
        "unknown source profile 'wrok'",
        "taken.env",
        "did you mean --team vision?",
    ]
    assert [name for name, fault in zip(named, faults, strict=True) if name in fault] == named
    assert {path.name for path in machine.iterdir()} == before


def test_fault_in_a_file_leaves_all_as_it_was(
    machine: Path, verified: list[Client], capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / "config").write_text("[default]\n[profile mlflow-vision]\n")
    (machine / "outputs.json").write_text("{")
    before = snapshot(machine)
    assert onboard.main(JOIN) == 2
    faults = capsys.readouterr().err
    assert "already has a profile 'mlflow-vision'" in faults
    assert "the stack's outputs are not JSON" in faults
    assert snapshot(machine) == before


def test_python_without_the_login_is_told_what_to_install(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert onboard.main(JOIN) == 2
    assert "this Python lacks the login: " in (said := capsys.readouterr().err)
    assert f"-m pip install {Path(onboard.__file__).parents[1] / 'client'}" in said


def test_two_sources_are_refused(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        onboard.main([*JOIN, "--source-profile", "work", "--credential-source", "EcsContainer"])
    assert end.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_exported_keys_are_no_source_because_boto3_would_never_assume_the_role(machine: Path) -> None:
    with pytest.raises(SystemExit) as end:
        onboard.main([*JOIN, "--credential-source", "Environment"])
    assert end.value.code == 2


def test_failed_verification_keeps_the_files_and_says_why(
    machine: Path,
    verified: list[Client],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def verify(*_: object) -> None:
        raise VerificationError("the server is asleep. Wake it: make up")

    monkeypatch.setattr(onboard, "verify", verify)
    assert onboard.main(JOIN) == 1
    assert "the files are written, but the server is asleep. Wake it: make up" in capsys.readouterr().err
    assert (machine / "mlflow-vision.env").exists()


def test_role_that_does_not_open_keeps_the_machine_as_it_was(
    machine: Path, verified: list[Client], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check_role(client: Client, config: str) -> str:
        assert f"[profile {client.profile}]" in config
        raise BadInputError(["ada may not assume it. Ask the platform engineer"])

    monkeypatch.setattr(onboard, "check_role", check_role)
    before = snapshot(machine)
    assert onboard.main(JOIN) == 2
    assert "nothing was written:\n  - ada may not assume it" in capsys.readouterr().err
    assert snapshot(machine) == before
    assert verified == []


def test_interruption_between_the_files_can_be_taken_back(
    machine: Path, verified: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(machine)
    apply = FileChange.apply

    def interrupted(change: FileChange) -> None:
        if change.path.name == "mlflow-vision.env":
            raise KeyboardInterrupt
        apply(change)

    with monkeypatch.context() as patch:
        patch.setattr(FileChange, "apply", interrupted)
        assert onboard.main(JOIN) == 130
    assert onboard.main(["--team", "vision", "--undo"]) == 0
    after = snapshot(machine)
    del after["config.before-mlflow-tracking"]
    assert after == before
