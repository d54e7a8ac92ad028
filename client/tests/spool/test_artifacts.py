"""Artifacts whose store does not take them: kept, sent later, told on the run meanwhile."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

from client.tests.spool.gate import Gate
from client.tests.spool.test_spool import until
from mlflow_team import tags
from mlflow_team.spool import folder

pytestmark = pytest.mark.rehearsal


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # stock MLflow's own, of an upload


def incomplete(truth: MlflowClient, run_id: str) -> dict[str, Any]:
    return json.loads(truth.get_run(run_id).data.tags.get(tags.INCOMPLETE, "{}"))


def store_away(way: Gate) -> None:
    way.fault = lambda asked, forward: (
        way.unavailable(asked, forward) if "mlflow-artifacts" in asked.path else forward()
    )


def test_file_that_the_store_does_not_take_is_kept_and_sent_later(
    way: Gate, truth: MlflowClient, tmp_path: Path, journals: Callable[[], list[str]]
) -> None:
    file, inside = tmp_path / "model.txt", tmp_path / "folder" / "below"
    inside.mkdir(parents=True)
    (inside / "b.txt").write_text("b")
    with mlflow.start_run() as run:
        store_away(way)
        file.write_text("first")
        mlflow.log_artifact(str(file), "models")
        file.write_text("second")
        mlflow.log_artifact(str(file), "models")
        mlflow.log_artifacts(str(tmp_path / "folder"), "all")
        file.unlink()
    # Metrics and the end do not wait behind it, and the run says what it lacks.
    told = truth.get_run(run.info.run_id)
    assert told.info.status == "FINISHED"
    until(lambda: incomplete(truth, run.info.run_id).get("spooled") == 3)
    way.fault = None
    until(lambda: not journals())
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/models/model.txt") == "second"
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/all/below/b.txt") == "b"
    assert tags.INCOMPLETE not in truth.get_run(run.info.run_id).data.tags


def test_file_for_which_there_is_no_room_is_lost_and_counted(
    way: Gate,
    truth: MlflowClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(folder.MEGABYTES, "0.1")
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(200_000))
    with mlflow.start_run() as run, caplog.at_level(logging.ERROR, "mlflow_team"):
        store_away(way)
        mlflow.log_artifact(str(large))
    assert f"{large} is lost" in caplog.text
    until(lambda: incomplete(truth, run.info.run_id).get("why") == {"artifact: spool full": 1})


def test_server_that_takes_artifacts_itself_and_is_away_is_not_tried(
    way: Gate, truth: MlflowClient, monkeypatch: pytest.MonkeyPatch, journals: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")  # for more than a minute
    with mlflow.start_run() as run:
        way.fault = way.cut
        mlflow.log_metric("loss", 0.5)
        until(lambda: "is away" if _away() else None)
        begun = time.monotonic()
        mlflow.log_text("hello", "a.txt")
        assert time.monotonic() - begun < 5
        way.fault = None
    until(lambda: not journals())
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt") == "hello"


def _away() -> bool:
    """Tell whether a read finds the server to be away: it says so at once."""
    begun = time.monotonic()
    with pytest.raises(MlflowException):
        MlflowClient().search_runs(["1"])
    return time.monotonic() - begun < 0.5


def test_missing_file_is_the_scripts_own_error(way: Gate) -> None:
    with mlflow.start_run(), pytest.raises(FileNotFoundError):
        mlflow.log_artifact("not there.txt")


def test_model_logged_while_the_server_is_away_loads_here_and_later_from_there(
    way: Gate, truth: MlflowClient, journals: Callable[[], list[str]]
) -> None:
    way.fault = way.cut
    with mlflow.start_run(run_name="with a model"):
        mlflow.log_metric("loss", 0.5)
        line = LinearRegression().fit(np.arange(4).reshape(-1, 1), np.arange(4))
        model = mlflow.sklearn.log_model(line, name="line")
        assert mlflow.sklearn.load_model(model.model_uri).predict([[5]]) == pytest.approx([5])
    way.fault = None
    until(lambda: not journals(), 60)
    (run,) = truth.search_runs(
        [truth.get_experiment_by_name("tests").experiment_id], "run_name = 'with a model'"
    )
    (output,) = run.outputs.model_outputs
    there = truth.get_logged_model(output.model_id)
    assert (str(there.status), there.source_run_id) == ("READY", run.info.run_id)
    local = mlflow.artifacts.download_artifacts(f"models:/{output.model_id}")
    assert "local-" not in Path(local, "MLmodel").read_text()
    assert mlflow.sklearn.load_model(f"models:/{output.model_id}").predict([[5]]) == pytest.approx([5])
