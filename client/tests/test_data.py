import logging
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import data, tags, track_input, track_output


def test_input_and_output_are_datasets_and_parameters(tracking: MlflowClient, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "model.pt"):
        (tmp_path / name).write_text(name)
    with mlflow.start_run() as run:
        first = track_input(tmp_path / "a.csv")
        track_input(str(tmp_path / "b.csv"), name="labels")
        made = track_output(tmp_path / "model.pt")
    found = tracking.get_run(run.info.run_id)
    assert {(each.name, each.context, each.data and each.data.uri) for each in data.of(found)} == {
        ("a.csv", data.INPUT, str(tmp_path / "a.csv")),
        ("labels", data.INPUT, str(tmp_path / "b.csv")),
        ("model.pt", data.OUTPUT, str(tmp_path / "model.pt")),
    }
    assert first in [each.data for each in data.of(found)]
    assert made is not None
    assert made.sha256.startswith(next(each.digest for each in data.of(found) if each.data == made))
    assert found.data.params == {
        tags.INPUT_DATA_PATH: str(tmp_path / "a.csv"),
        f"{tags.INPUT_DATA_PATH}_2": str(tmp_path / "b.csv"),
        tags.OUTPUT_DATA_PATH: str(tmp_path / "model.pt"),
    }


def test_same_input_twice_is_one(tracking: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with mlflow.start_run() as run:
        track_input(tmp_path / "a.csv")
        track_input(tmp_path / "a.csv")
    found = tracking.get_run(run.info.run_id)
    assert len(data.of(found)) == len(found.data.params) == 1


def test_run_by_id(tracking: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    run = tracking.create_run(mlflow.get_experiment_by_name("tests").experiment_id)
    track_output(tmp_path / "a.csv", run_id=run.info.run_id)
    assert [each.context for each in data.of(tracking.get_run(run.info.run_id))] == [data.OUTPUT]


@pytest.mark.parametrize("fault", ["not there", "no run", "address too long"])
def test_what_cannot_be_recorded_is_a_warning_and_the_training_goes_on(
    tracking: MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    place = tmp_path
    for _ in range(3 if fault == "address too long" else 0):
        place = place / ("x" * 200)
    place.mkdir(parents=True, exist_ok=True)
    (place / "a.csv").write_text("x")
    address = place / ("gone" if fault == "not there" else "a.csv")
    with caplog.at_level(logging.WARNING, "mlflow_team"):
        if fault == "no run":
            assert track_input(address) is None
        else:
            with mlflow.start_run() as run:
                assert track_input(address) is None
            assert not data.of(tracking.get_run(run.info.run_id))
    assert str(address) in caplog.text


def test_datasets_of_mlflows_own_are_told_too(tracking: MlflowClient) -> None:
    with mlflow.start_run() as run:
        mlflow.log_input(
            mlflow.data.from_numpy(__import__("numpy").zeros(3), name="zeros"), context="training"
        )
    (found,) = data.of(tracking.get_run(run.info.run_id))
    assert (found.name, found.context, found.data) == ("zeros", "training", None)
