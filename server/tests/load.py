"""Clients that log and read without a pause, as MLflow's would, and remember what they were told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rehearsal.processes import wait_until
from server.tests.served import HOST, Server

API = "/api/2.0/mlflow/"
PAUSE_SECONDS = 0.2
LOAD_SECONDS = 30
# What a page's request carries: MLflow judges it, so its own route answers.
BY_MLFLOW = {"Origin": f"https://{HOST}"}


@dataclass(frozen=True)
class Told:
    """One answer.

    Attributes:
        kind: of request.
        at: when it came, by time.monotonic().
        seconds: how long it took.
    """

    kind: str
    at: float
    seconds: float
    status: int
    text: str
    retry_after: str | None


@dataclass
class Load:
    """What clients were told, and which metrics were acknowledged."""

    told: list[Told] = field(default_factory=list)
    acknowledged: list[tuple[str, int]] = field(default_factory=list)

    def statuses(self) -> set[int]:
        """Return those that were answered."""
        return {told.status for told in self.told}

    def kinds(self, status: int) -> set[str]:
        """Return the kinds of request that were answered with it."""
        return {told.kind for told in self.told if told.status == status}

    def wait_for(self, answers: int) -> None:
        """Return when so many requests have succeeded.

        Raises:
            NotReadyError: they have not in time.
        """

        def reason() -> str | None:
            done = sum(told.status == 200 for told in list(self.told))
            return None if done >= answers else f"{done} of {answers} requests succeeded"

        wait_until(reason, what="the load", seconds=LOAD_SECONDS)

    def unexpected(self) -> list[Told]:
        """Return what is neither a success nor a refusal that says when to come again."""
        return [
            told
            for told in self.told
            if told.status != 200 and not (told.status == 503 and (told.retry_after or "").isdecimal())
        ]


Request = Callable[[int], tuple[str, dict[str, Any] | None, dict[str, str]]]


def batch(run: str, key: str, **headers: str) -> Request:
    """Return what writes a metric's next step as one batch."""

    def request(step: int) -> tuple[str, dict[str, Any], dict[str, str]]:
        metric = {"key": key, "value": step / 4, "timestamp": step, "step": step}
        return API + "runs/log-batch", {"run_id": run, "metrics": [metric]}, headers

    return request


def always(path: str, body: dict[str, Any] | None = None) -> Request:
    """Return what asks the same again and again."""
    return lambda _: (API + path, body, {})


@contextmanager
def under_load(server: Server, kinds: dict[str, list[Request]]) -> Iterator[Load]:
    """Send requests of each kind, one client for each, until the end of the block.

    A client sends the next when the last one is done, and the same again when it is told 503.
    """
    load = Load()
    end = threading.Event()

    def client(kind: str, request: Request) -> None:
        step = 0
        while not end.is_set():
            path, body, headers = request(step)
            began = time.monotonic()
            status, text, received = server.answer(path, body, **headers)
            now = time.monotonic()
            load.told.append(Told(kind, now, now - began, status, text[:300], received.get("Retry-After")))
            if status == 200:
                for metric in (body or {}).get("metrics", ()):
                    load.acknowledged.append((metric["key"], step))
                step += 1
            elif status == 503:
                end.wait(PAUSE_SECONDS)
            else:
                return

    with ThreadPoolExecutor(sum(map(len, kinds.values()))) as pool:
        clients = [pool.submit(client, kind, request) for kind in kinds for request in kinds[kind]]
        try:
            yield load
        finally:
            end.set()
    for each in clients:
        each.result()


def create_run(server: Server, experiment: str) -> tuple[str, str]:
    """Return the ids of a new experiment and of a run in it."""
    _, text = server.ask(API + "experiments/create", {"name": experiment})
    experiment_id = json.loads(text)["experiment_id"]
    _, text = server.ask(API + "runs/create", {"experiment_id": experiment_id})
    return experiment_id, str(json.loads(text)["run"]["info"]["run_id"])
