"""A machine whose credentials are a role's session, and nothing else of whoever runs the tests."""

import os
from pathlib import Path

import pytest

from client.tests.tracking import empty_database, tracking  # noqa: F401 - fixtures
from mlflow_team import switches
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
    monkeypatch.setattr(switches, "_suspended", set())  # a command's process ends with it
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
