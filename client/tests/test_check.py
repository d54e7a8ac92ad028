import json
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from client.tests.test_contract import complete
from mlflow_team import command, tags


def declare(client: MlflowClient, name: str, contract: str) -> None:
    client.set_experiment_tag(mlflow.set_experiment(name).experiment_id, tags.CONTRACT, contract)


def test_it_lists_ended_runs_that_lack_something(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    declare(tracking, "churn", '{"report": "reports/report.html", "parameters": ["lr"]}')
    with mlflow.start_run() as good:
        complete(good.info.run_id, tmp_path)
    with mlflow.start_run(run_name="bad") as bad:
        mlflow.log_param("lr", 1)
    with mlflow.start_run() as deleted:
        pass
    tracking.delete_run(deleted.info.run_id)
    mlflow.start_run()  # still running
    capsys.readouterr()
    assert command.main(["check", "--experiment", "churn", "--json"]) == 1
    [found] = json.loads(capsys.readouterr().out)
    assert (found["run_id"], found["name"]) == (bad.info.run_id, "bad")
    assert found["missing"] == ["report reports/report.html"]
    assert command.main(["check"]) == 1
    assert bad.info.run_id in capsys.readouterr().out
    mlflow.end_run()


def test_nothing_lacking_is_done(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    declare(tracking, "churn", '{"parameters": ["lr"]}')
    with mlflow.start_run():
        mlflow.log_param("lr", 1)
    capsys.readouterr()
    assert command.main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_what_cannot_be_checked_is_no_success(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(tracking, "one", "{")
    declare(tracking, "two", '{"inputs": true}')
    mlflow.create_experiment("three")
    assert command.main(["check"]) == 2
    told = capsys.readouterr().err
    assert "'one'" in told
    assert "'two'" in told
    assert command.main(["check", "--experiment", "three"]) == 2
