"""A run is run again from what it has on record, or it is said beforehand why not."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import command, data, environment, reproduction, reproduction_plan, tags
from mlflow_team.arguments import MASK
from mlflow_team.bad_input import BadInputError
from mlflow_team.provenance import CUT

SCRIPT = """
import os, sys
import mlflow
from mlflow_team import track_input

with mlflow.start_run(run_name="train"):
    track_input("data.csv")
    mlflow.log_metric("loss", len(open("data.csv").read()) + float(os.environ.get("NOISE", "0")))
    mlflow.log_metric("system/load", os.getpid())
    if len(sys.argv) > 1:
        sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def checkout(tmp_path: Path, tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "project"
    root.mkdir()
    (root / "train.py").write_text("# nothing yet\n")
    (root / ".gitignore").write_text("data.csv\n")
    for words in (
        "init -q -b main",
        "add .",
        "-c user.name=n -c user.email=e@example.com commit -q -m first",
    ):
        subprocess.run(["git", "-C", root, *words.split()], check=True)
    (root / "train.py").write_text(SCRIPT)  # not committed: the diff brings it
    (root / "data.csv").write_text("1,2,3")  # not in git at all
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    yield root
    # Whatever happened, nothing is left but what was there.
    listed = subprocess.run(
        ["git", "-C", root, "worktree", "list"], check=True, capture_output=True, text=True
    )
    assert listed.stdout.count("\n") == 1
    assert not list((tmp_path / "temporary").glob("reproduce-*"))


@pytest.fixture
def original(checkout: Path, tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> str:
    subprocess.run(
        [sys.executable, "train.py"],
        env={**os.environ, "MLFLOW_EXPERIMENT_NAME": "tests"}, cwd=checkout, check=True,
    )  # fmt: skip
    (run,) = tracking.search_runs([mlflow.get_experiment_by_name("tests").experiment_id])
    return run.info.run_id


def test_it_is_run_again_compared_and_linked_and_a_difference_is_told(
    original: str, tracking: MlflowClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command.main(["reproduce", original, "--dry-run"]) == 0
    assert len(tracking.search_runs([mlflow.get_experiment_by_name("tests").experiment_id])) == 1
    assert "python train.py" in capfd.readouterr().out

    assert command.main(["reproduce", original]) == 0
    shown = capfd.readouterr().out
    assert "same      loss  5 -> 5" in shown
    assert "system/" not in shown
    again = tracking.get_run(original).data.tags[tags.REPRODUCED_BY]
    assert tracking.get_run(again).data.tags[tags.REPRODUCES] == original

    monkeypatch.setenv("NOISE", "0.01")
    assert command.main(["reproduce", original]) == 1
    assert "DIFFERENT loss  5 -> 5.01" in capfd.readouterr().out
    assert command.main(["reproduce", original, "--tolerance", "0.01"]) == 0


def test_shell_leads_to_no_other_code_run_or_missing_link(
    original: str, checkout: Path, tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking.set_tag(original, tags.COMMAND, json.dumps([str(checkout / "train.py")]))
    (checkout / "train.py").write_text("raise SystemExit('code of today')")
    for name, value in {"MLFLOW_RUN_ID": original, "MLFLOW_TEAM_PROVENANCE": "off"}.items():
        monkeypatch.setenv(name, value)
    assert command.main(["reproduce", original]) == 0
    assert tracking.get_run(original).data.tags[tags.REPRODUCED_BY] != original


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(
    original: str, checkout: Path, tracking: MlflowClient, tmp_path: Path, number: signal.Signals
) -> None:
    began = tmp_path / "began"
    tracking.set_tag(original, tags.COMMAND, json.dumps(["-m", "wait_for_it"]))
    (tmp_path / "wait_for_it.py").write_text(
        f"import os, time\nopen({str(began)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow_team", "reproduce", original],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (began.exists() and began.read_text()) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in told
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


def test_missing_diff_is_told_before_the_command_runs(
    original: str, tracking: MlflowClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (patch,) = (tmp_path / "artifacts").rglob("diff.patch")
    patch.unlink()
    assert command.main(["reproduce", original]) == 3
    assert "diff.patch cannot be read, nothing was run" in capfd.readouterr().err
    assert tags.REPRODUCED_BY not in tracking.get_run(original).data.tags


def test_new_environment_has_this_package_and_its_plugins(tmp_path: Path) -> None:
    plan = reproduction_plan.Plan(
        "1", packages="# from a folder, not installable elsewhere: mlflow-team==0\n"
    )
    python = reproduction._environment(plan, tmp_path)
    look = """if True:
        from importlib.metadata import entry_points
        import mlflow_team
        print(mlflow_team.__file__, [each.name for each in entry_points(group="mlflow.run_context_provider")])
    """
    shown = subprocess.run(
        [python, "-c", look], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert str(tmp_path / "environment") in shown
    assert "provenance" in shown


def test_command_that_fails_is_told_apart_from_a_difference(
    original: str, tracking: MlflowClient, capfd: pytest.CaptureFixture[str]
) -> None:
    tracking.set_tag(original, tags.COMMAND, json.dumps(["train.py", "7"]))
    assert command.main(["reproduce", original]) == 3
    assert "ended with exit code 7" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("tag", "value", "told"),
    [
        (tags.COMMAND, json.dumps(["train.py", "--password", MASK]), "arguments were masked, --password ***"),
        (tags.COMMAND, json.dumps(["-c", MASK]), "it ran as python -c"),
        (tags.COMMAND, json.dumps(["train.py", CUT]), "more arguments than a tag can hold"),
        (tags.NOTEBOOK, "a.ipynb", "it ran in a notebook, a.ipynb"),
        (tags.GIT_DIFF, "withheld: AWS Access Key in train.py", "withheld: AWS Access Key in train.py"),
        ("mlflow.source.git.commit", "0" * 40, f"commit {'0' * 40} is not in"),
        (tags.COMMAND, json.dumps(["/elsewhere/train.py"]), "its script /elsewhere/train.py lies outside"),
        (tags.WORKING_DIRECTORY, "/somewhere", "it ran in /somewhere, outside its checkout"),
    ],
)
@pytest.mark.usefixtures("checkout")
def test_what_cannot_be_repeated_is_said_before_anything_runs(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str], tag: str, value: str, told: str
) -> None:
    run_id = recorded(tracking)
    tracking.set_tag(run_id, tag, value)
    assert command.main(["reproduce", run_id]) == 2
    assert told in capsys.readouterr().err


def recorded(client: MlflowClient) -> str:
    """Return a run as a script's is, of this process's checkout."""
    with mlflow.start_run() as run:
        pass
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    for name, value in {
        tags.COMMAND: json.dumps(["train.py"]),
        tags.WORKING_DIRECTORY: ".",
        tags.GIT_DIFF: "none",
        tags.GIT_DIRTY: "false",
        "mlflow.source.git.commit": commit,
    }.items():
        client.set_tag(run.info.run_id, name, value)
    return run.info.run_id


def changed(root: Path) -> None:
    (root / "data.csv").write_text("4")


def gone(root: Path) -> None:
    (root / "data.csv").unlink()


@pytest.mark.parametrize(("spoil", "told"), [(changed, "has changed: sha256 of"), (gone, "cannot be read")])
def test_other_input_is_said_before_anything_runs(
    checkout: Path,
    tracking: MlflowClient,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    told: str,
) -> None:
    run_id = recorded(tracking)
    data.track_input(checkout / "data.csv", run_id=run_id)
    assert command.main(["reproduce", run_id, "--dry-run"]) == 0
    assert f"copied   {checkout / 'data.csv'}" in capsys.readouterr().out
    spoil(checkout)
    assert command.main(["reproduce", run_id]) == 2
    assert told in capsys.readouterr().err


def test_all_obstacles_are_told_at_once(
    tracking: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = tracking.create_run(mlflow.get_experiment_by_name("tests").experiment_id).info.run_id
    assert command.main(["reproduce", run_id, "--repository", str(tmp_path)]) == 2
    packages, how, commit = capsys.readouterr().err.splitlines()
    assert "packages are not on record" in packages
    assert "command is not on record" in how
    assert "no commit is on record" in commit


@pytest.mark.usefixtures("checkout")
def test_other_packages_are_a_new_environment(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = recorded(tracking)
    folder = "# from a folder, not installable elsewhere: theirs==1\n"
    monkeypatch.setattr(reproduction, "packages", lambda *_: folder)
    monkeypatch.setattr(environment, "requirements", lambda: "mlflow==0.1\n")
    assert command.main(["reproduce", run_id, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "a new environment" in shown
    assert "a package from a folder, not installable elsewhere: theirs==1" in shown
    assert command.main(["reproduce", run_id, "--dry-run", "--here"]) == 0
    assert "a new environment" not in capsys.readouterr().out


@pytest.mark.parametrize("tolerance", ["x", "-1", "1", "nan"])
def test_tolerance_is_a_part(tolerance: str) -> None:
    with pytest.raises(BadInputError, match="--tolerance"):
        reproduction.check_tolerance(tolerance)


def test_metrics_are_held_against_each_other() -> None:
    nan = float("nan")
    found = reproduction.compare(
        {"a": 1.0, "b": nan, "c": 2.0, "d": 0.0}, {"a": 1.0 + 1e-9, "b": nan, "d": 1e-9}, 1e-6
    )
    assert {each.name: each.same for each in found} == {"a": True, "b": True, "c": False, "d": False}
