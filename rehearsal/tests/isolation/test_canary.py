"""With the login taken out the matrix fails: MLflow's own app lets every stranger in."""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.processes import Process, free_port
from rehearsal.tests.isolation.callers import STRANGERS
from rehearsal.tests.isolation.client import Front, Request
from rehearsal.tests.isolation.entry import Kind
from rehearsal.tests.isolation.world import World

pytestmark = pytest.mark.rehearsal

READY_SECONDS = 60.0
# Each family is among them.
EVERY = 15


@pytest.fixture
def bare(world: World, tmp_path: Path) -> Iterator[World]:
    """Return the world with MLflow's own app in the place of the stack."""
    port = free_port()
    environment = {
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(tmp_path),
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{tmp_path}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(tmp_path),
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--port", str(port)]
    with Process(
        "bare MLflow", command, environment=environment, log=tmp_path / "log", cwd=tmp_path
    ) as process:
        front = Front(port, None, host="127.0.0.1")
        process.wait_ready(lambda: _reason(front), seconds=READY_SECONDS)
        taken_out = copy.copy(world)
        taken_out.front = front
        yield taken_out


def _reason(front: Front) -> str | None:
    try:
        return None if front.send(Request("GET", "/health")).status == 200 else "not healthy"
    except OSError as error:
        return str(error)


def test_matrix_fails_without_the_login(bare: World) -> None:
    guarded = [*bare.of_kind(Kind.ASSET, Kind.READ, Kind.WRITE)][::EVERY]
    for caller, expected in STRANGERS.items():
        failed = bare.ask("canary", [bare.refused(e, t, caller, expected) for e, t in guarded])
        assert len(failed) == len(guarded), caller
