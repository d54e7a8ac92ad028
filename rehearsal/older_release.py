"""An older MLflow, installed by its lock into an environment of its own: its server and its client."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal.processes import Process, free_port

FOLDER = Path(__file__).parent / "releases"
INSTALL_SECONDS = 300.0  # from a slow mirror; from uv's cache it takes three
CLIENT_SECONDS = 120.0
READY_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release.

    Attributes:
        version: of MLflow.
        revision: of its tables, the head of its Alembic migrations.
        workspaces: whether it has them.
    """

    version: str
    revision: str
    workspaces: bool


# Each has a lock in rehearsal/releases/, whose .in file says why it is there.
RELEASES = (
    Release(version="2.22.4", revision="0584bdc529eb", workspaces=False),
    Release(version="3.10.1", revision="1b5f0d9ad7c1", workspaces=True),
)


class OlderMlflow:
    """An installed release."""

    def __init__(self, release: Release, folder: Path) -> None:
        """Install it into a folder that is not there yet.

        Raises:
            RuntimeError: it cannot be installed, with the installer's words.
        """
        self.release = release
        self._python = folder / "bin" / "python"
        lock = FOLDER / f"mlflow-{release.version}.lock"
        uv = Path(sys.executable).parent / "uv"
        self._run(uv, "venv", "--quiet", "--python", sys.executable, folder)
        # Without what its lock leaves out, so dependencies are not asked for again.
        self._run(
            uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes",
            "--python", self._python, "-r", lock,
        )  # fmt: skip

    def server(self, database: str, artifacts: str, log: Path, port: int | None = None) -> "OlderServer":
        """Make its own server, not yet started.

        Args:
            database: SQLAlchemy's address of it.
            artifacts: the root, which clients write to by themselves.
            log: where it writes what it says.
            port: on loopback; a free one unless given.
        """
        return OlderServer(
            self._python,
            self.release,
            database=database,
            artifacts=artifacts,
            log=log,
            port=port or free_port(),
        )

    def run(self, script: Path, environment: Mapping[str, str]) -> str:
        """Run a script with its client; return what it printed.

        Raises:
            RuntimeError: the script failed, with its words.
        """
        return self._run(self._python, script, environment=environment, seconds=CLIENT_SECONDS)

    @staticmethod
    def _run(
        *command: str | Path, environment: Mapping[str, str] | None = None, seconds: float = INSTALL_SECONDS
    ) -> str:
        done = subprocess.run(
            command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))} failed: {done.stdout}{done.stderr}")
        return done.stdout


class OlderServer(Process):
    """Its `mlflow server`, with one worker and without a login.

    Attributes:
        url: where it answers once it is started and ready.
    """

    def __init__(
        self, python: Path, release: Release, *, database: str, artifacts: str, log: Path, port: int
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        own = ["--enable-workspaces", "--allowed-hosts", "*"] if release.workspaces else []
        super().__init__(
            f"MLflow {release.version}",
            [
                python, "-m", "mlflow", "server", "--backend-store-uri", database,
                "--default-artifact-root", artifacts, "--no-serve-artifacts",
                "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *own,
            ],
            # MLflow finds gunicorn or uvicorn, and they each other, by PATH.
            environment={
                "PATH": os.pathsep.join([str(python.parent), "/usr/bin", "/bin"]),
                "HOME": str(log.parent),
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            log=log,
            cwd=log.parent,
        )  # fmt: skip

    def await_ready(self) -> None:
        """Wait until it answers.

        Raises:
            NotReadyError: it does not, with the end of its log.
        """
        self.wait_ready(self._reason_not_ready, seconds=READY_SECONDS)

    def _reason_not_ready(self) -> str | None:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2):
                return None
        except (urllib.error.URLError, OSError) as error:
            return str(error)
