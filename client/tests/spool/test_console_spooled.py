"""A console takes the way of all artifacts: into the spool when its store is away."""

import mlflow
import pytest
from mlflow import MlflowClient

from client.tests.spool.gate import Gate
from client.tests.spool.test_left_behind import Script, script, sync  # noqa: F401 - a fixture
from client.tests.spool.test_spool import runs
from mlflow_team.console.left_behind import left_behind
from mlflow_team.spool import folder

pytestmark = pytest.mark.rehearsal

ON = {
    "MLFLOW_TEAM_CONSOLE": "on",
    "MLFLOW_TEAM_PROVENANCE": "on",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


def console(client: MlflowClient, name: str) -> str:
    (run,) = runs(client, name)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        return mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/console.txt")
    finally:
        mlflow.set_tracking_uri(before)


def test_console_waits_in_the_spool_while_the_store_is_away(
    way: Gate,
    truth: MlflowClient,
    script: Script,  # noqa: F811 - the fixture
) -> None:
    way.fault = lambda asked, forward: (
        way.cut(asked, forward) if "mlflow-artifacts" in asked.path else forward()
    )
    done = script("with mlflow.start_run(run_name='store away'): print('one')", **ON)
    assert done.returncode == 0, done.stderr
    assert left_behind(folder.chosen()) == []
    way.fault = None
    code, told = sync(way)
    assert code == 0, told
    assert console(truth, "store away").startswith("one\n")


def test_console_of_a_run_that_was_never_there_is_sent_by_sync(
    way: Gate,
    truth: MlflowClient,
    script: Script,  # noqa: F811 - the fixture
) -> None:
    way.fault = way.unavailable
    done = script("with mlflow.start_run(run_name='never there'): print('one')", **ON)
    assert done.returncode == 0, done.stderr
    way.fault = None
    code, told = sync(way)
    assert code == 0, told
    assert console(truth, "never there").startswith("one\n")
