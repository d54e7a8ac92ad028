"""A real tracking server behind a gate, and a machine whose spool is a folder of the test's."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from client.tests.spool.gate import Gate, gate
from mlflow_team.spool import asking, delivery, folder, heartbeat, reach, sender
from rehearsal.processes import Process, free_port

START_SECONDS = 120.0
# In place of seconds that people would not notice, and a test would.
QUICK = {
    (reach, "AWAY_SECONDS"): 1.5,
    (asking, "AWAY_SECONDS"): 1.5,
    (delivery, "AWAY_SECONDS"): 1.5,
    (reach, "REQUEST_SECONDS"): 4.0,
    (reach, "LONGEST_PAUSE_SECONDS"): 0.3,
    (delivery, "LONGEST_PAUSE_SECONDS"): 0.3,
    (reach, "FIRST_PAUSE_SECONDS"): 0.05,
    (delivery, "FIRST_PAUSE_SECONDS"): 0.05,
    (asking, "PAUSE_SECONDS"): 0.05,
    (sender, "LINGER_SECONDS"): 0.05,
    (sender, "PROBE_SECONDS"): 0.1,
}


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run stock MLflow on SQLite, and return its address."""
    made, port = tmp_path_factory.mktemp("server"), free_port()
    address = f"http://127.0.0.1:{port}"
    command = (
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{made}/mlflow.db",
        "--artifacts-destination", f"{made}/artifacts",
    )  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(made),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }

    def reason() -> str | None:
        try:
            return None if requests.get(f"{address}/health", timeout=5).ok else "not healthy"
        except requests.RequestException as error:
            return str(error)

    with Process("mlflow server", command, environment=environment, log=made / "log", cwd=made) as process:
        process.wait_ready(reason, seconds=START_SECONDS)
        yield address


@pytest.fixture
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where journals lie."""
    made = tmp_path / "spool"
    monkeypatch.setenv(folder.FOLDER, str(made))
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for (module, name), seconds in QUICK.items():
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def way(behind: str, spool_folder: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Return the gate through which scripts reach the server, which has the experiment `tests`."""
    MlflowClient(behind).get_experiment_by_name("tests") or MlflowClient(behind).create_experiment("tests")
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tests")
    monkeypatch.setenv("MLFLOW_TEAM_PROVENANCE", "off")
    monkeypatch.setattr(heartbeat, "SECONDS", 1000.0)
    before = mlflow.get_tracking_uri()
    with gate(behind) as opened:
        mlflow.set_tracking_uri(opened.front.uri)
        yield opened
        opened.fault = None
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(before)


@pytest.fixture
def truth(behind: str) -> MlflowClient:
    """Return a client that asks the server itself."""
    return MlflowClient(behind)


@pytest.fixture
def journals(spool_folder: Path) -> Callable[[], list[str]]:
    """Return what lists the journals that are there."""
    return lambda: [path.name for path in folder.journals()]
