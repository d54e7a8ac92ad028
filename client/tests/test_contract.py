import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

from mlflow_team import command, contract, tags
from mlflow_team.bad_input import BadInputError
from mlflow_team.contract_reader import build, read

WHOLE = {
    "description": True,
    "input": True,
    "output": True,
    "parameters": ["lr"],
    "metrics": {"accuracy": {"direction": "higher", "tolerance": 0.01}, "loss": {}},
    "report": "reports/report.html",
    "baseline": "num_trial=1",
}
LACKS = ["description", "input", "output", "parameter lr", "metric accuracy", "metric loss"]
LACKS_REPORT = [*LACKS, "report reports/report.html"]


@pytest.fixture
def client(tracking: MlflowClient) -> MlflowClient:
    tracking.set_experiment_tag(
        mlflow.set_experiment("churn").experiment_id, tags.CONTRACT, json.dumps(WHOLE)
    )
    return tracking


def mark(client: MlflowClient, run_id: str) -> list[str]:
    contract.mark(run_id)
    return json.loads(client.get_run(run_id).data.tags.get(tags.CONTRACT_MISSING, "[]"))


def complete(run_id: str, tmp_path: Path) -> None:
    mlflow.set_tag("mlflow.note.content", "why")
    mlflow.log_params({"lr": 1, "INPUT_DATA_PATH_S3": "s3://b/i", "OUTPUT_DATA_PATH": "/o"})
    mlflow.log_metrics({"accuracy": 1, "loss": float("nan")})
    (tmp_path / "report.html").write_text("<p>")
    mlflow.log_artifact(str(tmp_path / "report.html"), "reports")


def test_a_contract_survives_its_json() -> None:
    assert json.loads(read(json.dumps(WHOLE)).to_json()) == WHOLE
    assert contract.LONGEST == MAX_EXPERIMENT_TAG_VAL_LENGTH


def test_a_run_that_lacks_everything_is_marked_with_everything(client: MlflowClient) -> None:
    with mlflow.start_run() as run:
        assert mark(client, run.info.run_id) == LACKS_REPORT


def test_a_complete_run_bears_no_mark_and_loses_an_old_one(client: MlflowClient, tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        contract.mark(run.info.run_id)
        complete(run.info.run_id, tmp_path)
        assert mark(client, run.info.run_id) == []
        assert tags.CONTRACT_MISSING not in client.get_run(run.info.run_id).data.tags


def test_a_blank_description_is_none(client: MlflowClient) -> None:
    with mlflow.start_run(description=" \n") as run:
        assert "description" in mark(client, run.info.run_id)


@pytest.mark.parametrize(
    ("context", "lacks"), [("training", "output"), ("output", "input"), (None, "output")]
)
def test_a_dataset_counts_by_its_context(client: MlflowClient, context: str | None, lacks: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

    with mlflow.start_run() as run:
        client.log_inputs(
            run.info.run_id,
            [
                DatasetInput(
                    Dataset("d", "1", "local", "{}"),
                    [InputTag("mlflow.data.context", context)] if context else [],
                )
            ],
        )
        assert {"input", "output"} & set(mark(client, run.info.run_id)) == {lacks}


def test_an_experiment_without_a_contract_asks_for_nothing(tracking: MlflowClient) -> None:
    with mlflow.start_run() as run:
        assert mark(tracking, run.info.run_id) == []


def test_the_mark_can_be_switched_off(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_CONTRACT", "off")
    with mlflow.start_run() as run:
        assert mark(client, run.info.run_id) == []


def test_a_mark_too_long_for_a_tag_says_how_much_is_left_out(tracking: MlflowClient) -> None:
    names = [f"{'p' * 200}{i}" for i in range(90)]
    asked = build({"parameters": names})
    tracking.set_experiment_tag(mlflow.set_experiment("long").experiment_id, tags.CONTRACT, asked.to_json())
    with mlflow.start_run() as run:
        marked = mark(tracking, run.info.run_id)
    assert marked[-1] == f"and {91 - len(marked)} more"
    assert len(marked) > 20


def test_every_fault_of_a_contract_is_told_at_once() -> None:
    wrong: dict[str, Any] = {
        "descripton": True,
        "input": "yes",
        "parameters": ["lr", "lr", "a'b", 3],
        "metrics": {
            "a`b": {"direction": "up"},
            "loss": {"tolerance": -1, "better": "lower"},
            "mae": {"tolerance": True},
            "nan": {"tolerance": float("nan")},
            "acc": "higher",
        },
        "report": "../report.html",
        "baseline": "num_trial",
    }
    with pytest.raises(BadInputError) as raised:
        read(json.dumps(wrong))
    told = "\n".join(raised.value.faults)
    for said in (
        *("'descripton'", 'input is "yes"', '"lr" is named twice', '"a\'b"', "parameter 3", '"a`b"', '"up"'),
        *(
            "tolerance is -1",
            "'better'",
            "tolerance is true",
            "tolerance is NaN",
            "metric 'acc' is \"higher\"",
        ),
        *('"../report.html"', 'baseline "num_trial"'),
    ):
        assert said in told, said
    assert len(raised.value.faults) == 14


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"input": false}', '{"parameters": "lr"}', '{"metrics": []}']
)
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        read(text)


def test_a_contract_longer_than_a_tag_is_refused() -> None:
    with pytest.raises(BadInputError, match="allowed are 20000"):
        build({"parameters": [f"{'p' * 240}{i}" for i in range(90)]})


def test_the_command_sets_shows_and_clears(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow.set_experiment("churn")
    flags = ["--description", "--input", "--output", "--parameter", "lr", "--higher", "accuracy=0.01"]
    flags += ["--metric", "loss", "--report", "reports/report.html", "--baseline", "num_trial=1"]
    assert command.main(["contract", "set", "--experiment", "churn", *flags]) == 0
    capsys.readouterr()
    assert command.main(["contract", "show", "--experiment", "churn"]) == 0
    assert json.loads(capsys.readouterr().out) == WHOLE
    assert command.main(["contract", "clear", "--experiment", "churn"]) == 0
    assert command.main(["contract", "show", "--experiment", "churn"]) == 1


def test_a_file_holds_a_whole_contract(tracking: MlflowClient, tmp_path: Path) -> None:
    experiment = mlflow.set_experiment("churn").experiment_id
    file = tmp_path / "contract.json"
    file.write_text(json.dumps(WHOLE))
    assert command.main(["contract", "set", "--experiment", experiment, "--file", str(file)]) == 0
    found = contract.of(tracking.get_experiment(experiment))
    assert found
    assert json.loads(found.to_json()) == WHOLE
    assert command.main(["contract", "set", "--experiment", "churn", "--file", str(file), "--input"]) == 2
    assert command.main(["contract", "set", "--experiment", "churn", "--file", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize("flags", [[], ["--higher", "a=x"], ["--higher", "a", "--lower", "a"]])
def test_a_wrong_contract_is_not_written(tracking: MlflowClient, flags: list[str]) -> None:
    experiment = mlflow.set_experiment("churn").experiment_id
    assert command.main(["contract", "set", "--experiment", "churn", *flags]) == 2
    assert tags.CONTRACT not in tracking.get_experiment(experiment).tags


def test_an_experiment_must_be_there(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = mlflow.create_experiment("gone")
    mlflow.delete_experiment(experiment)
    for name, said in (("gone", "--experiment-id"), ("nowhere", "no experiment"), ("4711", "no experiment")):
        assert command.main(["contract", "set", "--experiment", name, "--input"]) == 2
        assert said in capsys.readouterr().err
