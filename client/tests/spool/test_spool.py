"""What a script logs while the server is well, away, or fails in the middle: real MLflow behind a gate."""

import json
import logging
import statistics
import time
from collections.abc import Callable

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from client.tests.spool.gate import HANG_SECONDS, Gate
from mlflow_team import tags
from mlflow_team.spool import folder
from mlflow_team.spool.reach import LOOP_SECONDS

pytestmark = pytest.mark.rehearsal


def history(truth: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in truth.get_metric_history(run_id, key)]


def until(check: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def runs(truth: MlflowClient, name: str) -> list[mlflow.entities.Run]:
    experiment = truth.get_experiment_by_name("tests").experiment_id
    return truth.search_runs([experiment], f"run_name = '{name}'")


def test_values_are_on_the_server_when_the_run_has_ended(
    way: Gate, truth: MlflowClient, journals: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with mlflow.start_run(run_name="well") as run:
        mlflow.log_params({"a": 1, "b": "two"})
        for step in range(300):
            mlflow.log_metric("loss", 1 / (step + 1), step)
        mlflow.set_tag("colour", "red")
        assert len(journals()) == 1
    told = truth.get_run(run.info.run_id)
    assert (told.info.status, told.data.params) == ("FINISHED", {"a": "1", "b": "two"})
    assert told.data.tags["colour"] == "red"
    assert history(truth, run.info.run_id, "loss") == [(step, 1 / (step + 1)) for step in range(300)]
    assert journals() == []
    assert "304 sent, 0 spooled, 0 lost" in capsys.readouterr().err
    # A request for each value is what stock MLflow makes.
    assert len(way.paths()) < 60


def test_reads_see_what_was_logged_before(way: Gate) -> None:
    client = MlflowClient()
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_param("a", 1)
        assert client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 1
        assert client.search_runs([run.info.experiment_id], "params.a = '1'")


def test_value_logged_three_times_stays_three_and_the_last_is_the_latest(
    way: Gate, truth: MlflowClient
) -> None:
    with mlflow.start_run() as run:
        for value in (3.0, 3.0, 3.0, 1.0):
            mlflow.log_metric("constant", value)
    assert history(truth, run.info.run_id, "constant") == [(0, 3.0), (0, 3.0), (0, 3.0), (0, 1.0)]
    assert truth.get_run(run.info.run_id).data.metrics == {"constant": 1.0}


@pytest.mark.parametrize("fault", ["cut", "unavailable", "hang"])
def test_loop_does_not_wait_while_the_server_is_away(way: Gate, truth: MlflowClient, fault: str) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.0, 0)
        way.fault = getattr(way, fault)
        waits = []
        for step in range(1, 60):
            begun = time.monotonic()
            mlflow.log_metric("loss", float(step), step)
            mlflow.log_param(f"p{step}", step)
            waits.append(time.monotonic() - begun)
            time.sleep(0.02)
        assert statistics.median(waits) < LOOP_SECONDS
        assert max(waits) < HANG_SECONDS  # on a machine that does other things too
        way.fault = None
    until(lambda: truth.get_run(run.info.run_id).info.status == "FINISHED")
    assert history(truth, run.info.run_id, "loss") == [(step, float(step)) for step in range(60)]
    assert len(truth.get_run(run.info.run_id).data.params) == 59


def test_end_of_a_run_does_not_wait_for_a_server_that_is_away(
    way: Gate, truth: MlflowClient, journals: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with mlflow.start_run() as run:
        way.fault = way.cut
        mlflow.log_metric("loss", 0.5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert "2 spooled, 0 lost; " in (said := capsys.readouterr().err)
    assert "mlflow-team sync" in said
    assert truth.get_run(run.info.run_id).info.status == "RUNNING"
    way.fault = None
    until(lambda: truth.get_run(run.info.run_id).info.status == "FINISHED")
    assert history(truth, run.info.run_id, "loss") == [(0, 0.5)]
    until(lambda: not journals())


def test_nothing_is_written_twice_when_answers_are_lost(way: Gate, truth: MlflowClient) -> None:
    way.lose_answers(
        "runs/create", "runs/log-batch", "runs/set-tag", "runs/log-model", "runs/outputs", "runs/log-inputs",
        "runs/delete-tag", "logged-models", "runs/update", times=2,
    )  # fmt: skip
    with mlflow.start_run(run_name="answers lost") as run:
        for step in range(50):
            mlflow.log_metric("loss", 0.5, step)
        mlflow.log_param("a", 1)
        mlflow.set_tag("gone", "soon")
        mlflow.delete_tag("gone")
        model = mlflow.initialize_logged_model("m")
        mlflow.log_outputs([mlflow.entities.LoggedModelOutput(model.model_id, 0)])
        MlflowClient()._record_logged_model(run.info.run_id, mlflow.models.Model("m", run.info.run_id))
    until(lambda: [run.info.status for run in runs(truth, "answers lost")] == ["FINISHED"])
    (told,) = runs(truth, "answers lost")
    assert told.info.status == "FINISHED"
    assert len(history(truth, told.info.run_id, "loss")) == 50
    assert "gone" not in told.data.tags
    assert len(json.loads(told.data.tags["mlflow.log-model.history"])) == 1
    assert [output.model_id for output in told.outputs.model_outputs] == [model.model_id]
    assert tags.INCOMPLETE not in told.data.tags


def test_run_begun_while_the_server_is_away_becomes_a_real_one(
    way: Gate, truth: MlflowClient, journals: Callable[[], list[str]]
) -> None:
    way.fault = way.cut
    mlflow.set_experiment("born away")
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_metric("loss", 0.5)
        with mlflow.start_run(nested=True, run_name="child") as child:
            mlflow.log_param("a", 1)
            mlflow.log_text("hello", "notes/a.txt")
        assert mlflow.get_run(parent.info.run_id).data.metrics == {"loss": 0.5}
        assert mlflow.artifacts.list_artifacts(run_id=child.info.run_id)[0].path == "notes"
    assert parent.info.run_id.startswith("local-")
    way.fault = None
    until(lambda: not journals())
    found = truth.search_runs([truth.get_experiment_by_name("born away").experiment_id])
    runs = {run.info.run_name: run for run in found}
    assert len(found) == 2
    assert {run.info.status for run in found} == {"FINISHED"}
    real = runs["parent"].info.run_id
    assert runs["child"].data.tags["mlflow.parentRunId"] == real
    assert runs["parent"].data.tags[tags.LOCAL_ID] == parent.info.run_id
    assert history(truth, real, "loss") == [(0, 0.5)]
    assert [a.path for a in truth.list_artifacts(runs["child"].info.run_id, "notes")] == ["notes/a.txt"]
    # A script that still has the local id reads the real run by it.
    assert mlflow.get_run(parent.info.run_id).info.run_id == real


def test_run_that_was_made_behind_a_lost_answer_is_found_and_a_twin_removed(
    way: Gate, truth: MlflowClient
) -> None:
    held: list[Callable[[], object]] = []

    def hold(asked: object, forward: Callable[[], object]) -> object:
        if asked.path.endswith("runs/create") or held:
            held.append(forward)  # it will arrive, late
            return None
        return forward()

    way.fault = hold
    with mlflow.start_run(run_name="twin"):
        mlflow.log_metric("loss", 0.5)
        way.fault = None
        until(lambda: runs(truth, "twin"))
        held[0]()
        assert len(runs(truth, "twin")) == 2
    (left,) = runs(truth, "twin")
    assert (left.info.status, left.data.metrics) == ("FINISHED", {"loss": 0.5})


def test_refused_value_is_counted_and_told_and_the_others_arrive(
    way: Gate, truth: MlflowClient, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow.start_run() as run, caplog.at_level(logging.ERROR, "mlflow_team"):
        for step in range(40):
            mlflow.log_metric("loss" if step != 17 else "no:such\nname", 0.5, step)
        mlflow.log_param("a", 1)
        mlflow.log_param("a", 2)
    assert len(history(truth, run.info.run_id, "loss")) == 39
    assert "2 lost (1 refused: " in capsys.readouterr().err
    assert "refused by the server, lost" in caplog.text
    until(lambda: tags.INCOMPLETE in truth.get_run(run.info.run_id).data.tags)
    told = truth.get_run(run.info.run_id)
    assert json.loads(told.data.tags[tags.INCOMPLETE])["lost"] == 2
    assert told.data.params == {"a": "1"}


def test_value_over_which_the_server_fails_holds_up_no_other(way: Gate, truth: MlflowClient) -> None:
    def fails(asked: object, forward: Callable[[], object]) -> object:
        if b"poison" in asked.body:
            way.answers(500, "INTERNAL_ERROR")
            said, way.fault = way.fault(asked, forward), fails
            return said
        return forward()

    with mlflow.start_run() as run:
        way.fault = fails
        for step in range(30):
            mlflow.log_metric("poison" if step == 11 else "loss", 0.5, step)
    until(lambda: truth.get_run(run.info.run_id).info.status == "FINISHED")
    assert len(history(truth, run.info.run_id, "loss")) == 29
    until(lambda: tags.INCOMPLETE in truth.get_run(run.info.run_id).data.tags)


@pytest.mark.parametrize(
    ("status", "code"), [(401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (429, "X")]
)
def test_login_that_expired_and_limits_cost_nothing(
    way: Gate, truth: MlflowClient, status: int, code: str
) -> None:
    with mlflow.start_run() as run:
        way.answers(status, code)
        mlflow.log_metric("loss", 0.5)
        time.sleep(0.3)
        way.fault = None
    assert history(truth, run.info.run_id, "loss") == [(0, 0.5)]


def test_role_without_the_right_is_told_so_when_it_begins_a_run_and_keeps_what_it_logged(
    way: Gate, truth: MlflowClient
) -> None:
    with mlflow.start_run() as run:
        way.answers(403, "PERMISSION_DENIED")
        mlflow.log_metric("loss", 0.5)
        with pytest.raises(MlflowException, match="PERMISSION_DENIED: said by the gate"):
            mlflow.start_run(nested=True)
        way.fault = None
    until(lambda: truth.get_run(run.info.run_id).info.status == "FINISHED")
    assert history(truth, run.info.run_id, "loss") == [(0, 0.5)]


def test_full_spool_loses_metrics_counted_and_keeps_parameters_and_the_end(
    way: Gate, truth: MlflowClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(folder.MEGABYTES, "0.02")
    with mlflow.start_run() as run:
        way.fault = way.cut
        for step in range(500):
            mlflow.log_metric("loss", 0.5, step)
        mlflow.log_param("a", 1)
    said = capsys.readouterr().err
    way.fault = None
    until(lambda: tags.INCOMPLETE in truth.get_run(run.info.run_id).data.tags)
    told = truth.get_run(run.info.run_id)
    assert (told.info.status, told.data.params) == ("FINISHED", {"a": "1"})
    lost = json.loads(told.data.tags[tags.INCOMPLETE])["lost"]
    assert lost > 0
    assert f"{lost:,} lost ({lost:,} spool full)" in said
    assert len(history(truth, run.info.run_id, "loss")) == 500 - lost


def test_strict_raises_where_the_value_was_logged(
    way: Gate, truth: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_STRICT", "on")
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.5)
        assert history(truth, run.info.run_id, "loss") == [(0, 0.5)]  # there when the call returns
        with pytest.raises(MlflowException, match="LogMetric is not on the server: refused"):
            mlflow.log_metric("no:such\nname", 0.5)
        way.fault = way.cut
        with pytest.raises(MlflowException, match="LogParam is not on the server"):
            mlflow.log_param("a", 1)
        monkeypatch.delenv("MLFLOW_TEAM_STRICT")
        way.fault = None


def test_strict_starts_no_run_while_the_server_is_away(way: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_STRICT", "on")
    way.fault = way.cut
    with pytest.raises(MlflowException, match="does not answer"):
        mlflow.start_run()


def test_reads_that_only_the_server_can_answer_fail_soon_and_say_why(way: Gate) -> None:
    with mlflow.start_run() as run:
        way.fault = way.unavailable
        begun = time.monotonic()
        with pytest.raises(MlflowException, match="does not answer: HTTP 503"):
            mlflow.search_runs([run.info.experiment_id])
        assert time.monotonic() - begun < 5


def test_switched_off_it_leaves_all_to_mlflow(
    way: Gate, monkeypatch: pytest.MonkeyPatch, journals: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_SPOOL", "off")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with mlflow.start_run():
        mlflow.log_metric("loss", 0.5)
        assert way.paths()[-1] == "runs/log-metric"
        assert journals() == []
        way.fault = way.unavailable
        with pytest.raises(MlflowException):
            mlflow.log_metric("loss", 0.4)
        way.fault = None


def test_large_batches_are_divided_as_the_server_takes_them(way: Gate, truth: MlflowClient) -> None:
    client = MlflowClient()
    with mlflow.start_run() as run:
        metrics = [Metric("loss", float(step), 1_700_000_000_000 + step, step) for step in range(2500)]
        for start in range(0, 2500, 500):
            client.log_batch(
                run.info.run_id,
                metrics[start : start + 500],
                [Param(f"p{start + number}", "1") for number in range(60)],
                [RunTag(f"t{start + number}", "1") for number in range(60)],
            )
    until(lambda: truth.get_run(run.info.run_id).info.status == "FINISHED")
    told = truth.get_run(run.info.run_id)
    assert len(told.data.params) == 300
    assert len([tag for tag in told.data.tags if tag.startswith("t")]) == 300
    assert len(history(truth, run.info.run_id, "loss")) == 2500
