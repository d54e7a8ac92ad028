"""Who is compared, each on a database of its own: ours as deployed, stock at its defaults, stock tuned."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.installations import ROOT
from benchmarks.login_server import TEAM, token
from rehearsal.postgres import SUPERUSER, Postgres
from rehearsal.processes import Process, free_port

NAMES = ("ours", "stock_default", "stock_tuned")
API = "/api/2.0/mlflow"
START_SECONDS = 240.0
POLL_SECONDS = 0.02
LOAD_SECONDS = 180.0
MEBIBYTE = 2**20
OK = 200
# Each of a worker's 40 threads may hold two connections: with fewer, log-batch waits for itself.
TUNED = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "80",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "0",
}


class Contestant:
    """One server, started when it is asked to.

    Attributes:
        name: one of NAMES.
        database: its own.
    """

    def __init__(self, name: str, pythons: Mapping[str, Path], postgres: Postgres, workers: int = 2) -> None:
        """Nothing is started; `workers` is what stock tuned has, one for each core when nothing is said."""
        self.name = name
        self.database = f"bench_{name}"
        # Ours would bring its own client.
        self._client = pythons["stock_default"]
        self.port = free_port()
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(postgres.folder.parent),
            "PGHOST": str(postgres.folder),
            "PGUSER": SUPERUSER,
            "PGDATABASE": self.database,
        }
        self._log = postgres.folder.parent / f"{postgres.folder.name}-{name}.log"
        self._process = Process(
            name, self._command(pythons, workers), environment=self._environment, log=self._log, cwd=ROOT
        )

    def _command(self, pythons: Mapping[str, Path], workers: int) -> list[str]:
        if self.name == "ours":
            return [str(pythons[self.name]), "-m", "benchmarks.login_server", "login", str(self.port)]
        self._environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
        tuned: list[str] = []
        if self.name == "stock_tuned":
            self._environment.update(TUNED)
            tuned = ["--workers", str(workers), "--uvicorn-opts", "--loop uvloop --http httptools"]
        return [
            str(pythons[self.name]), "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self.port), "--backend-store-uri", "postgresql+psycopg2://",
            "--default-artifact-root", "s3://bench-login",
            "--no-serve-artifacts", *tuned,
        ]  # fmt: skip

    @contextmanager
    def started(self) -> Iterator[float]:
        """Run it; give the seconds until it answered a request that asks the database."""
        begun = time.perf_counter()
        with ExitStack() as stack:
            stack.callback(self._log.unlink, missing_ok=True)
            stack.enter_context(self._process)
            self._process.wait_ready(self._reason_not_ready, seconds=START_SECONDS, poll=POLL_SECONDS)
            yield time.perf_counter() - begun

    def _reason_not_ready(self) -> str | None:
        try:
            self.ask("POST", "/experiments/search", {"max_results": 1})
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            return str(error)
        return None

    @property
    def headers(self) -> dict[str, str]:
        """What each request bears; ours a token, which is good for 15 minutes: the whole takes longer."""
        plain = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json"}
        if self.name != "ours":
            return plain
        return {**plain, "Authorization": f"Bearer {token()}", "X-MLFLOW-WORKSPACE": TEAM}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return the answer's JSON.

        Raises:
            RuntimeError: the answer is no 200.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            text = json.dumps(body) if body is not None else None
            connection.request(method, API + path, text, self.headers)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500].decode()}")
        return json.loads(content)

    def new_runs(self, number: int) -> list[str]:
        """Create so many runs in an experiment of their own."""
        name = f"bench {time.monotonic_ns()}"
        experiment = self.ask("POST", "/experiments/create", {"name": name})["experiment_id"]
        created = [self.ask("POST", "/runs/create", {"experiment_id": experiment}) for _ in range(number)]
        return [each["run"]["info"]["run_id"] for each in created]

    def load(self, **told: Any) -> dict[str, Any]:
        """Have the client's process ask it; see benchmarks.load."""
        told = {"port": self.port, "headers": self.headers, "method": "POST", **told}
        told["path"] = API + told["path"]
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.load"],
            input=json.dumps(told).encode(), stdout=subprocess.PIPE,
            cwd=ROOT, check=True, timeout=LOAD_SECONDS,
        )  # fmt: skip
        return json.loads(answer.stdout)

    def run_client(self, script: str) -> float:
        """Return the seconds that a script takes with MLflow's own client, in a process of its own."""
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._log.parent),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.port}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        if self.name == "ours":
            environment["MLFLOW_TRACKING_TOKEN"] = token()
        begun = time.perf_counter()
        subprocess.run(
            [self._client, "-c", script], env=environment, cwd=self._log.parent, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LOAD_SECONDS,
        )  # fmt: skip
        return time.perf_counter() - begun

    def mebibytes(self) -> float:
        """Return the proportional share of memory (PSS) of all its processes."""
        return sum(process.memory_full_info().pss for process in self._tree()) / MEBIBYTE

    def pause(self) -> None:
        """Stand still while another is measured."""
        for process in self._tree():
            process.suspend()

    def resume(self) -> None:
        """Go on."""
        for process in self._tree():
            process.resume()

    def _tree(self) -> list[psutil.Process]:
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]
