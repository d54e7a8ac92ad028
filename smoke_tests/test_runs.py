"""A run is logged as any MLflow script does it, and read back."""

import pytest
from mlflow.artifacts import load_text
from mlflow.entities import RunStatus
from mlflow.tracking import MlflowClient

from smoke_tests.client_process import ClientProcess
from smoke_tests.conftest import EXPERIMENT, TAG, LoggedRun

RESUMED_STEP = 3


@pytest.fixture(scope="module")
def tracking() -> MlflowClient:
    return MlflowClient()


def test_parameter_is_read_back(run: LoggedRun, tracking: MlflowClient) -> None:
    assert tracking.get_run(run.run_id).data.params == {"learning_rate": "0.01"}


def test_metric_keeps_every_step(run: LoggedRun, tracking: MlflowClient) -> None:
    history = tracking.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == list(enumerate(run.losses))


def test_tag_is_read_back(run: LoggedRun, tracking: MlflowClient) -> None:
    tags = tracking.get_run(run.run_id).data.tags
    assert (tags["colour"], tags[TAG]) == ("blue", run.mark)


def test_artifact_is_read_back(run: LoggedRun) -> None:
    assert load_text(f"{run.artifact_uri}/notes/note.txt") == run.artifact.decode()


def test_ended_run_is_finished(run: LoggedRun, tracking: MlflowClient) -> None:
    info = tracking.get_run(run.run_id).info
    assert info.status == RunStatus.to_string(RunStatus.FINISHED)
    assert info.end_time is not None
    assert info.start_time <= info.end_time


def test_search_finds_the_run_and_no_other(run: LoggedRun, tracking: MlflowClient) -> None:
    found = tracking.search_runs([run.experiment_id], f"tags.`{TAG}` = '{run.mark}' and metrics.loss < 0.3")
    assert [each.info.run_id for each in found] == [run.run_id]


def test_second_process_resumes_the_run_by_its_id(
    run: LoggedRun, tracking: MlflowClient, clients: list[ClientProcess]
) -> None:
    clients[0].tell("resume", run_id=run.run_id, metric="resumed_loss", value=0.125, step=RESUMED_STEP)
    assert clients[0].answer() == run.run_id
    resumed = tracking.get_run(run.run_id)
    assert resumed.data.metrics == {"loss": run.losses[-1], "resumed_loss": 0.125}
    assert resumed.info.status == RunStatus.to_string(RunStatus.FINISHED)


def test_two_clients_log_at_once(
    run: LoggedRun, tracking: MlflowClient, clients: list[ClientProcess]
) -> None:
    values = [step / 10 for step in range(10)]
    for client in clients:
        client.tell("begin", experiment=EXPERIMENT, tags={TAG: f"{run.mark}-at-once"})
    runs = [client.answer() for client in clients]
    assert {tracking.get_run(run_id).info.status for run_id in runs} == {"RUNNING"}
    for client in clients:
        client.tell("finish", metric="loss", values=values)
    for client in clients:
        client.answer()
    for run_id in runs:
        assert [point.value for point in tracking.get_metric_history(run_id, "loss")] == values
        assert tracking.get_run(run_id).info.status == "FINISHED"
