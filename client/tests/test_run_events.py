import json
import logging
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import provenance, run_events, tags, tracking_store, uploads
from mlflow_team.switches import Piece


def test_plain_script_has_its_conditions_on_record(
    tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", "--token", "x", "--lr", "1"])
    with mlflow.start_run() as run:
        pass
    told = tracking.get_run(run.info.run_id).data.tags
    assert json.loads(told[tags.COMMAND]) == ["train.py", "--token", "***", "--lr", "1"]
    assert told[tags.PYTHON] == ".".join(map(str, sys.version_info[:3]))
    assert told[tags.HOST]
    assert told[tags.PLATFORM]
    assert told[tags.WORKING_DIRECTORY]
    lines = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/{tags.REQUIREMENTS}").splitlines()
    assert f"mlflow=={mlflow.__version__}" in lines
    assert any(line.startswith("# from a folder") and "mlflow-team" in line for line in lines)


def test_everything_can_be_switched_off(tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_AUTOMATIC", "off")
    with mlflow.start_run() as run:
        pass
    assert not [
        name for name in tracking.get_run(run.info.run_id).data.tags if name.startswith("mlflow_team")
    ]
    assert not tracking.list_artifacts(run.info.run_id)


@pytest.mark.parametrize("piece", [Piece.DIFF, Piece.PACKAGES])
def test_each_artifact_can_be_switched_off(
    tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch, piece: Piece
) -> None:
    asked = []
    monkeypatch.setattr(provenance, "_store_diff", lambda *_: asked.append(Piece.DIFF))
    monkeypatch.setattr(provenance, "_packages", lambda *_: asked.append(Piece.PACKAGES))
    monkeypatch.setenv(piece.variable, "off")
    with mlflow.start_run():
        pass
    assert asked == [each for each in (Piece.DIFF, Piece.PACKAGES) if each is not piece]


def test_runs_that_no_script_started_are_left_alone(tracking: MlflowClient) -> None:
    experiment = mlflow.get_experiment_by_name("tests")
    run = tracking.create_run(experiment.experiment_id)
    tracking.set_terminated(run.info.run_id)
    assert not tracking.list_artifacts(run.info.run_id)
    assert run.info.run_id not in run_events._watched


def test_failure_of_ours_is_one_warning_and_the_run_goes_on(
    tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(run_events, "_warned", set())
    monkeypatch.setattr(provenance, "store", fail)
    monkeypatch.setattr(uploads, "before_end", fail)  # nothing of the run waits: provenance failed before
    with caplog.at_level(logging.WARNING, "mlflow_team"):
        for _ in range(2):
            with mlflow.start_run() as run:
                mlflow.log_metric("loss", 1)
    assert tracking.get_run(run.info.run_id).info.status == "FINISHED"
    assert [record.message.split(" failed")[0] for record in caplog.records] == ["provenance", "uploads"]


def test_ctrl_c_is_not_swallowed() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_events.quietly("x", interrupted)


def test_end_is_told_once_before_and_after(tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(run_events, "ENDING", ((None, ".uploads", "before_end"),))
    monkeypatch.setattr(run_events, "ENDED", ((None, ".uploads", "after"),))
    monkeypatch.setattr(
        uploads, "before_end", lambda run_id, _: told.append(("ending", tracking.get_run(run_id).info.status))
    )
    monkeypatch.setattr(
        uploads,
        "after",
        lambda run_id, status: told.append((status, tracking.get_run(run_id).info.status)),
        raising=False,
    )
    with mlflow.start_run() as run:
        pass
    tracking.set_terminated(run.info.run_id)
    assert told == [("ending", "RUNNING"), ("FINISHED", "FINISHED")]
    with pytest.raises(ZeroDivisionError), mlflow.start_run(run_id=run.info.run_id):
        1 / 0  # noqa: B018
    assert told[2:] == [("ending", "RUNNING"), ("FAILED", "FAILED")]


def test_server_process_has_mlflows_own_store(empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"sqlite:///{empty_database}"
    assert isinstance(tracking_store.sqlite(address), tracking_store.Recorded)
    monkeypatch.setenv(tracking_store.IN_SERVER, address)
    assert not isinstance(tracking_store.sqlite(address), tracking_store.Recorded)
