"""A person's machine: AWS files of its own and stack outputs to onboard with."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.tests.stand_in import Laptop, StandIn, stand_in

OUTPUTS = {
    "trackingUri": "https://mlflow.example.com",
    "region": "eu-west-1",
    "artifactBucket": "artifacts",
    "teams": {
        team: {
            "writerRoleArn": f"arn:aws:iam::111122223333:role/mlflow-{team}-writer",
            "readerRoleArn": f"arn:aws:iam::111122223333:role/mlflow-{team}-reader",
            "workspace": team,
            "artifactRoot": f"s3://artifacts/workspaces/{team}",
            "chatParameter": f"/mlflow-tracking/prod/chat/{team}",
        }
        for team in ("vision", "speech")
    },
}
CONFIG = "[default]\nregion = eu-west-1\n\n[profile work]\nregion = us-east-1"  # no line break at its end


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an AWS configuration, stack outputs and a CA bundle; it is the current folder."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "outputs.json").write_text(json.dumps(OUTPUTS))
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    return tmp_path


@pytest.fixture
def outputs(machine: Path) -> Callable[..., str]:
    """Return a function that changes keys of the stack outputs on the machine; None takes a key out."""

    def change(**values: Any) -> str:
        merged = {key: value for key, value in (OUTPUTS | values).items() if value is not None}
        text = json.dumps(merged)
        (machine / "outputs.json").write_text(text)
        return text

    return change


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with stand_in(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture
def laptop(stack: StandIn, tmp_path: Path) -> Laptop:
    return Laptop(stack, tmp_path)
