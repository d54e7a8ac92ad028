"""What tests of both ways of a spreadsheet do."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_team import command, experiments


def run_import(file: Path, *more: str, code: int = 0) -> None:
    assert command.main(["import", str(file), "--experiment", "tests", *more]) == code


def runs(client: MlflowClient, experiment: str = "tests") -> dict[str, Run]:
    found = experiments.runs(client, experiments.find(client, experiment).experiment_id)
    return {str(run.info.run_name): run for run in found}


def kept(client: MlflowClient) -> list[str]:
    """Return all runs, to be compared: as texts, since nan is not itself."""
    return sorted(str(run.to_dictionary()) for run in runs(client).values())


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
