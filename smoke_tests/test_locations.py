"""An experiment may keep its artifacts where its team chooses, inside the team's prefix."""

import subprocess
import sys

import mlflow
import pytest
from mlflow.artifacts import load_text
from mlflow.exceptions import MlflowException

from smoke_tests.conftest import LoggedRun
from smoke_tests.stack import Stack

COMMAND_SECONDS = 120.0


def _create(name: str, location: str) -> subprocess.CompletedProcess[str]:
    """Type what MLflow's users type."""
    return subprocess.run(
        [sys.executable, "-m", "mlflow", "experiments", "create", "-n", name, "-l", location],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


@pytest.fixture
def prefix(stack: Stack, run: LoggedRun) -> str:
    return f"s3://{run.bucket}/workspaces/{stack.team}/"


def test_experiment_lies_where_its_maker_says(run: LoggedRun, prefix: str) -> None:
    name, location = f"smoke-{run.mark}", f"{prefix}chosen/{run.mark}"
    made = _create(name, location)
    assert made.returncode == 0, made.stderr
    experiment = mlflow.get_experiment_by_name(name)
    assert experiment is not None
    try:
        assert experiment.artifact_location == location
        with mlflow.start_run(experiment_id=experiment.experiment_id) as started:
            mlflow.log_text("here", "note.txt")
        assert started.info.artifact_uri == f"{location}/{started.info.run_id}/artifacts"
        assert load_text(f"{started.info.artifact_uri}/note.txt") == "here"
    finally:
        mlflow.delete_experiment(experiment.experiment_id)


def test_location_of_another_team_is_refused_with_the_one_that_is_ours(
    stack: Stack, run: LoggedRun, prefix: str
) -> None:
    refused = _create(f"smoke-{run.mark}", f"s3://{run.bucket}/workspaces/{stack.other_team}/chosen")
    assert refused.returncode != 0
    assert prefix in refused.stderr


@pytest.mark.parametrize(
    "location",
    [
        "s3://{bucket}/workspaces/{team}",
        "s3://{bucket}/workspaces/{team}-2/chosen",
        "s3://{bucket}/workspaces/{team}/../{other}/chosen",
        "s3://{bucket}/workspaces/{team}/%2e%2e/{other}/chosen",
        "s3://{bucket}/workspaces/{team}//chosen",
        "s3://{bucket}/chosen",
        "s3://another-bucket/workspaces/{team}/chosen",
        "S3://{bucket}/workspaces/{other}/chosen",
        "file:///workspaces/{team}/chosen",
        "/workspaces/{team}/chosen",
    ],
)
def test_location_outside_our_prefix_is_refused(
    location: str, stack: Stack, run: LoggedRun, prefix: str
) -> None:
    outside = location.format(bucket=run.bucket, team=stack.team, other=stack.other_team)
    with pytest.raises(MlflowException) as refusal:
        mlflow.create_experiment(f"smoke-{run.mark}", artifact_location=outside)
    assert prefix in str(refusal.value)


def test_location_on_another_machine_is_refused(stack: Stack, run: LoggedRun) -> None:
    """MLflow itself does, before it is asked whose prefix it is."""
    outside = f"https://foreign.example/{stack.team}"
    with pytest.raises(MlflowException, match="cannot use the 'https' scheme"):
        mlflow.create_experiment(f"smoke-{run.mark}", artifact_location=outside)
