"""The example under client/examples, as a member of the team runs it: data in S3, logged in by its role."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlflow_team import tags
from rehearsal.laptop import ROOT
from rehearsal.stack import RehearsedStack
from rehearsal.teams import FEATURES, PERSON, TEAM
from rehearsal.tests.login import Api

EXAMPLE = ROOT / "client" / "examples" / "tumours"
DATA = f"s3://{FEATURES}/tumours"
SCRIPT_SECONDS = 120.0

pytestmark = pytest.mark.rehearsal


class Person:
    """Works in a checkout of the example, with the environment that onboarding wrote."""

    def __init__(self, stack: RehearsedStack, folder: Path) -> None:
        assert stack.laptop
        self._folder = folder
        self._environment = {**stack.laptop.environment, "MLFLOW_EXPERIMENT_NAME": "tumours"}

    def team(self, *words: str, code: int = 0) -> str:
        return self.run(sys.executable, "-m", "mlflow_team", *words, code=code)

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SCRIPT_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def person(running: RehearsedStack, tmp_path_factory: pytest.TempPathFactory) -> Person:
    folder = tmp_path_factory.mktemp("example") / "tumours"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    person = Person(running, folder)
    for words in (
        "init -q -b main",
        "add .",
        "-c user.name=n -c user.email=e@example.com commit -q -m first",
    ):
        person.run("git", *words.split())
    with (folder / "train.py").open("a") as script:
        script.write("# not committed\n")
    for script in ("preprocess.py", "train.py", "evaluate.py"):
        person.run(sys.executable, script, "--data", DATA)
    return person


@pytest.fixture(scope="module")
def api(running: RehearsedStack) -> Api:
    outputs = running.deployment.outputs
    return Api(running, running.prerequisites.take(PERSON, outputs["teams"][TEAM]["writerRoleArn"]))


@pytest.fixture(scope="module")
def runs(person: Person, api: Api) -> dict[str, Any]:
    found = api.get("2.0/mlflow/experiments/get-by-name", experiment_name="tumours").json()["experiment"]
    answer = api.post("2.0/mlflow/runs/search", experiment_ids=[found["experiment_id"]]).json()["runs"]
    return {run["info"]["run_name"]: run for run in answer}


def told(run: dict[str, Any], what: str) -> dict[str, str]:
    return {each["key"]: each["value"] for each in run["data"][what]}


def test_each_step_has_its_conditions_on_record(runs: dict[str, Any]) -> None:
    assert set(runs) == {"preprocess", "train", "evaluate"}
    for name, run in runs.items():
        assert run["info"]["status"] == "FINISHED"
        known = told(run, "tags")
        assert json.loads(known[tags.COMMAND]) == [f"{name}.py", "--data", DATA]
        assert len(known["mlflow.source.git.commit"]) == 40
        assert known["mlflow.source.git.branch"] == "main"
        assert known[tags.GIT_DIRTY] == "true"
        assert known[tags.GIT_DIFF] == "stored"
        assert known[tags.WORKING_DIRECTORY] == "."
        assert tags.UPLOADS_FAILED not in known


def test_diff_and_packages_lie_in_the_teams_prefix(running: RehearsedStack, runs: dict[str, Any]) -> None:
    bucket = running.deployment.outputs["artifactBucket"]
    root = runs["train"]["info"]["artifact_uri"].removeprefix(f"s3://{bucket}/")
    stored = {
        name: running.emulator.client("s3").get_object(Bucket=bucket, Key=f"{root}/{name}")["Body"].read()
        for name in (tags.DIFF, tags.REQUIREMENTS)
    }
    assert b"+# not committed" in stored[tags.DIFF]
    assert b"\nmlflow==" in stored[tags.REQUIREMENTS]


def test_data_is_told_with_the_parameters_that_teams_look_for(runs: dict[str, Any]) -> None:
    params = told(runs["train"], "params")
    assert params[tags.INPUT_DATA_PATH_S3] == f"{DATA}/train.csv"
    assert params[tags.OUTPUT_DATA_PATH_S3] == f"{DATA}/model-1.joblib"


def test_results_are_those_of_a_real_model(runs: dict[str, Any]) -> None:
    assert all(0.9 < each["value"] <= 1 for each in runs["evaluate"]["data"]["metrics"])


def test_lineage_leads_from_the_source_to_the_report(person: Person, runs: dict[str, Any]) -> None:
    shown = person.run(sys.executable, "-m", "mlflow_team", "lineage", runs["train"]["info"]["run_id"])
    wanted = (
        "breast_cancer.csv",
        "[preprocess]",
        "train.csv",
        "[train]",
        "model-1.joblib",
        "[evaluate]",
        "report-1",
    )
    places = [shown.index(name) for name in wanted]
    assert places == sorted(places), shown


def test_contract_and_baseline_judge_the_next_trial(person: Person, runs: dict[str, Any], api: Api) -> None:
    rules = ("--higher", "train_accuracy=0.01", "--parameter", "strength", "--report", "report.html")
    person.team("contract", "set", "--experiment", "tumours", *rules, "--baseline", "best=yes")
    api.post("2.0/mlflow/runs/set-tag", run_id=runs["train"]["info"]["run_id"], key="best", value="yes")
    trial = ("--data", DATA, "--strength", "1e-9", "--trial", "2")
    assert "report.html" in person.run(sys.executable, "train.py", *trial)
    experiment = runs["train"]["info"]["experiment_id"]
    found = api.post(
        "2.0/mlflow/runs/search", experiment_ids=[experiment], filter="tags.num_trial = '2'"
    ).json()["runs"]
    second = next(run for run in found if run["info"]["run_name"] == "train")
    assert json.loads(told(second, "tags")[tags.CONTRACT_MISSING]) == ["report report.html"]
    assert second["info"]["run_id"] in person.team("check", "--experiment", "tumours", code=1)
    compared = person.team("compare", second["info"]["run_id"], "--format", "json", code=1)
    (metric,) = json.loads(compared)["rows"]
    assert (metric["name"], metric["verdict"]) == ("train_accuracy", "worse")


def test_runs_go_into_a_spreadsheet_and_back(person: Person, runs: dict[str, Any]) -> None:
    person.team("export", "tumours.xlsx", "--experiment", "tumours")
    shown = person.team("import", "tumours.xlsx", "--experiment", "tumours")
    assert "0 new, 0 changed" in shown
    copied = person.team("import", "tumours.xlsx", "--experiment", "copied from a sheet")
    assert " new, 0 changed, 0 as they are" in copied
    assert "0 new, 0 changed" in person.team("import", "tumours.xlsx", "--experiment", "copied from a sheet")


def test_training_is_reproduced_from_its_commit_its_diff_and_the_data_in_s3(
    person: Person, runs: dict[str, Any], api: Api
) -> None:
    original = runs["train"]["info"]["run_id"]
    shown = person.run(sys.executable, "-m", "mlflow_team", "reproduce", original)
    assert "same      train_accuracy" in shown
    again = shown.split("run ")[-1].split()[0]
    told_again = told(api.get("2.0/mlflow/runs/get", run_id=again).json()["run"], "tags")
    assert told_again[tags.REPRODUCES] == original
    assert told_again[tags.GIT_DIFF] == "stored"
    assert told_again["mlflow.source.git.commit"] == told(runs["train"], "tags")["mlflow.source.git.commit"]
    linked = told(api.get("2.0/mlflow/runs/get", run_id=original).json()["run"], "tags")
    assert linked[tags.REPRODUCED_BY] == again
    assert person.run("git", "worktree", "list").count("\n") == 1
