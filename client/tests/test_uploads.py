import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import log_artifact_async, tags, uploads


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FIRST_PAUSE_SECONDS", 0.0)


def names(client: MlflowClient, run_id: str, folder: str = "") -> set[str]:
    return {each.path for each in client.list_artifacts(run_id, folder)}


def test_it_returns_before_the_upload_and_the_end_of_the_run_waits(
    tracking: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go, log = threading.Event(), MlflowClient.log_artifact

    def slow(*args: object, **kwargs: object) -> None:
        assert may_go.wait(30)
        log(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_artifact", slow)
    (tmp_path / "model.pt").write_text("weights")
    with mlflow.start_run() as run:
        log_artifact_async(tmp_path / "model.pt")
        log_artifact_async(str(tmp_path / "model.pt"), "copies")
        assert "model.pt" not in names(tracking, run.info.run_id)
        may_go.set()
    assert "model.pt" in names(tracking, run.info.run_id)
    assert names(tracking, run.info.run_id, "copies") == {"copies/model.pt"}


def test_folder_comes_with_all_in_it_to_a_run_by_id(tracking: MlflowClient, tmp_path: Path) -> None:
    folder = tmp_path / "plots" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    experiment = mlflow.get_experiment_by_name("tests")
    run_id = tracking.create_run(experiment.experiment_id).info.run_id
    log_artifact_async(tmp_path / "plots", run_id=run_id)
    assert uploads.wait(run_id)
    assert names(tracking, run_id, "plots/deep") == {"plots/deep/a.txt"}


def test_failure_that_passes_is_tried_again(
    tracking: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, calls = MlflowClient.log_artifact, []

    def failing_twice(*args: object, **kwargs: object) -> None:
        if str(args[2]).endswith("note.txt"):
            calls.append(args)
            if len(calls) < 3:
                raise ConnectionError("reset")
        log(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_artifact", failing_twice)
    (tmp_path / "note.txt").write_text("x")
    with mlflow.start_run() as run:
        log_artifact_async(tmp_path / "note.txt")
    assert "note.txt" in names(tracking, run.info.run_id)
    assert tags.UPLOADS_FAILED not in tracking.get_run(run.info.run_id).data.tags


def test_failure_that_stays_is_on_the_run_and_in_the_log(
    tracking: MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("gone.txt", "lost.txt", "there.txt"):
        (tmp_path / name).write_text("x")
    with mlflow.start_run() as run:
        hold = threading.Event()
        uploads.submit(run.info.run_id, lambda: hold.wait(30), "hold")
        for name in ("gone.txt", "lost.txt", "there.txt"):
            log_artifact_async(tmp_path / name)
        (tmp_path / "gone.txt").unlink()
        (tmp_path / "lost.txt").unlink()
        hold.set()
    found = tracking.get_run(run.info.run_id)
    told = json.loads(found.data.tags[tags.UPLOADS_FAILED])
    assert [Path(each["path"]).name for each in told] == ["gone.txt", "lost.txt"]
    assert found.info.status == "FINISHED"
    assert "gone.txt" in caplog.text
    assert "there.txt" in names(tracking, run.info.run_id)


def test_what_is_not_there_is_told_at_once(tracking: MlflowClient, tmp_path: Path) -> None:
    with mlflow.start_run(), pytest.raises(FileNotFoundError):
        log_artifact_async(tmp_path / "never")


def test_no_run_is_told_at_once(tracking: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(ValueError, match="no run is active"):
        log_artifact_async(tmp_path / "a")


def test_wait_ends_with_its_time(tracking: MlflowClient) -> None:
    hold = threading.Event()
    uploads.submit("some-run", lambda: hold.wait(30), "hold")
    assert not uploads.wait("some-run", seconds=0.01)
    hold.set()
    assert uploads.wait("some-run")
    assert not [each for each in threading.enumerate() if each.name == "uploads-some-run" and not each.daemon]


SCRIPT = """
import multiprocessing, sys, time
from mlflow_team import uploads

def child():
    pass

if __name__ == "__main__":
    uploads.submit("run", lambda: time.sleep(1) or print("done", flush=True), "slow")
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    print("child", process.exitcode, flush=True)
"""


def test_forked_child_ends_at_once_and_the_process_with_its_uploads(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    address = f"sqlite:///{tmp_path}/mlflow.db"
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, env={**os.environ, "MLFLOW_TRACKING_URI": address},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["child 0", "done"]


def test_later_upload_to_one_name_wins(tracking: MlflowClient, tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        for number in range(20):
            (tmp_path / str(number)).mkdir()
            (tmp_path / str(number) / "state.txt").write_text(str(number))
            log_artifact_async(tmp_path / str(number) / "state.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/state.txt") == "19"
