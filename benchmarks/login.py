"""Compares a request that logs in with the same request to MLflow alone: one client, token already known.

Two servers on one Postgres, started alike; one has the login and the guarded stores before MLflow's app, the
other has neither. STS is not asked in what is measured: a token is asked for once in ten minutes.
"""

import http.client
import json
import os
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.login_server import TEAM, token
from rehearsal.postgres import SUPERUSER, Postgres
from rehearsal.processes import NotReadyError, Process, free_port

ROOT = Path(__file__).parent.parent
PAIRS = 9
REQUESTS = 100
START_SECONDS = 120.0
POLL_SECONDS = 0.1
SERVERS = ("without", "login")
API = "/api/2.0/mlflow"


def main() -> int:
    """Start both, ask them in turns, and print medians and ratios; 1 when a server does not start."""
    try:
        with ExitStack() as stack:
            postgres = stack.enter_context(Postgres())
            _compare({name: _server(stack, name, postgres) for name in SERVERS})
    except NotReadyError as error:
        print(f"bench-login: {error}", file=sys.stderr)
        return 1
    return 0


class Client:
    """One client with one connection, kept open."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"X-MLFLOW-WORKSPACE": TEAM, "Content-Type": "application/json", **headers}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return the answer's JSON.

        Raises:
            RuntimeError: the answer is no 200.
        """
        self._connection.request(
            method, API + path, json.dumps(body) if body is not None else None, self._headers
        )
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500].decode()}")
        return json.loads(text)

    def close(self) -> None:
        """Forget a connection that was not to be had; the next request opens another."""
        self._connection.close()


def _server(stack: ExitStack, name: str, postgres: Postgres) -> Client:
    port = free_port()
    print(f"starting the server, {name}", flush=True)
    environment = {
        "PATH": os.defpath,
        "PGHOST": str(postgres.folder),
        "PGUSER": SUPERUSER,
        "PGDATABASE": postgres.database,
    }
    log = postgres.folder.parent / f"bench-login-{os.getpid()}-{name}.log"
    stack.callback(log.unlink, missing_ok=True)
    command = (sys.executable, "-m", "benchmarks.login_server", name, str(port))
    server = stack.enter_context(Process(name, command, environment=environment, log=log, cwd=ROOT))
    client = Client(port, {"Authorization": f"Bearer {token()}"} if name == "login" else {})

    def reason_not_ready() -> str | None:
        try:
            client.ask("POST", "/experiments/search", {"max_results": 1})
        except OSError as error:
            client.close()
            return str(error)
        return None

    server.wait_ready(reason_not_ready, seconds=START_SECONDS, poll=POLL_SECONDS)
    return client


def _compare(clients: dict[str, Client]) -> None:
    made = clients["without"].ask("POST", "/experiments/create", {"name": "bench-login"})
    run = clients["without"].ask("POST", "/runs/create", {"experiment_id": made["experiment_id"]})
    run_id = run["run"]["info"]["run_id"]
    metric = {"run_id": run_id, "key": "loss", "value": 0.5, "timestamp": 0}
    requests = {
        "runs/get": ("GET", f"/runs/get?run_id={run_id}", None),
        "runs/log-metric": ("POST", "/runs/log-metric", metric),
    }
    for what, request in requests.items():
        seconds: dict[str, list[float]] = {name: [] for name in SERVERS}
        # The first pair only warms up.
        for pair in range(PAIRS + 1):
            print(f"{what}: pair {pair} of {PAIRS}" if pair else f"{what}: warming up", flush=True)
            for name, measured in _medians(clients, request).items():
                if pair:
                    seconds[name].append(measured)
        without, login = (statistics.median(seconds[name]) for name in SERVERS)
        print(
            f"{what}, ms, median of {PAIRS} x {REQUESTS}: with login {login * 1e3:.2f}, "
            f"without {without * 1e3:.2f}, ratio {login / without:.2f}"
        )
        for name, values in seconds.items():
            print(f"  {name}: {' '.join(f'{value * 1e3:.2f}' for value in sorted(values))}")


def _medians(clients: dict[str, Client], request: tuple[str, str, Any]) -> dict[str, float]:
    """Ask both in turns, request by request, so that what else the machine does slows both."""
    times: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(REQUESTS):
        for name in sorted(clients, reverse=bool(turn % 2)):
            begun = time.perf_counter()
            clients[name].ask(*request)
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken) for name, taken in times.items()}


if __name__ == "__main__":
    sys.exit(main())
