"""A machine whose credentials are a role's session, and nothing else of whoever runs the tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from mlflow_team.token import TokenSource

KEY, SECRET, SESSION = "ASIAEXAMPLEEXAMPLE00", "secret+/of=the-session", "session/token+with=signs&more%"
REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an empty AWS configuration."""
    for name in list(os.environ):
        if (
            name.startswith(("AWS_", "MLFLOW_"))
            or name.lower().endswith("_proxy")
            or name.endswith("CA_BUNDLE")
        ):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-west-2",  # the client's own, which must not matter
        "MLFLOW_TEAM_STS_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export a role's session."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)


@pytest.fixture
def tokens() -> TokenSource:
    return TokenSource()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once: they take most of a second."""
    file = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def store(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """Track into a database of one's own, artifacts beside it, and begin in an experiment without runs."""
    before = mlflow.get_tracking_uri()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    mlflow.set_tracking_uri(f"sqlite:///{shutil.copy(empty_database, tmp_path / 'mlflow.db')}")
    mlflow.set_experiment("empty")
    yield MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)
