"""The server's container stays below its memory while a team logs."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from rehearsal.__main__ import FOREIGN_PREFIXES
from rehearsal.containers.container import Container
from rehearsal.stack import RehearsedStack
from rehearsal.tests.test_container_stack import MEBIBYTE, SERVER
from smoke_tests.client_process import ClientProcess

pytestmark = pytest.mark.container

CLIENTS = 8
STEPS, RUNS = 1_000, 4  # of each client; a run's steps are one answer to wait for
SECONDS = 60.0


@pytest.fixture
def clients(in_docker: RehearsedStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ClientProcess]]:
    """Start clients in the environment of the team that joined."""
    for name in [*os.environ]:
        if name.startswith(FOREIGN_PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in in_docker.laptop.environment.items():
        monkeypatch.setenv(name, value)
    started = [ClientProcess() for _ in range(CLIENTS)]
    yield started
    for client in started:
        client.stop()


class Memory(threading.Thread):
    """Samples what a container holds that the kernel could not take back, about once a second."""

    def __init__(self, container: Container) -> None:
        super().__init__(daemon=True)
        self._samples = container._started.get_wrapped_container().stats(stream=True, decode=True)
        self._over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        for sample in self._samples:
            memory = sample["memory_stats"]
            if self._over.is_set() or not memory:
                return
            # As `docker stats` counts, for cgroups of either version.
            facts = memory["stats"]
            cache = facts.get("total_inactive_file", facts.get("inactive_file", 0))
            self.peak = max(self.peak, memory["usage"] - cache)

    def stop(self) -> None:
        self._over.set()
        self.join(SECONDS)


def kernels_peak(container: Container) -> int | None:
    """Return the most that the kernel charged to a container, page cache included, where it tells."""
    for file in ("memory.peak", "memory/memory.max_usage_in_bytes"):
        code, printed = container.run("cat", f"/sys/fs/cgroup/{file}")
        if code == 0:
            return int(printed)
    return None


def test_memory_stays_under_the_limit_while_eight_clients_log(
    in_docker: RehearsedStack, clients: list[ClientProcess]
) -> None:
    assert in_docker.task is not None
    server = in_docker.task.started[SERVER]
    limit = server.describe()["HostConfig"]["Memory"]
    memory = Memory(server)
    memory.start()
    in_docker.run_smoke_tests()
    began, runs = time.monotonic(), []
    for number in range(RUNS):
        for client in clients:
            client.tell("begin", experiment="eight-clients", tags={"part": f"{number}"})
        runs += [client.answer() for client in clients]
        for client in clients:
            client.tell("finish", metric="loss", values=[float(step) for step in range(STEPS // RUNS)])
        for client in clients:
            client.answer()
    seconds = time.monotonic() - began
    memory.stop()
    kernels = kernels_peak(server)
    print(
        f"\npeak of the server's memory: {memory.peak / MEBIBYTE:.0f} MiB of {limit / MEBIBYTE:.0f} MiB, "
        f"the kernel's own with page cache: {(kernels or 0) / MEBIBYTE:.0f} MiB; "
        f"{CLIENTS * STEPS / seconds:.0f} steps a second"
    )
    assert steps_of(in_docker, runs) == CLIENTS * STEPS
    assert 0 < memory.peak < limit
    assert kernels is None or kernels < limit
    state = server.describe()["State"]
    assert (state["Running"], state["OOMKilled"]) == (True, False)


def steps_of(stack: RehearsedStack, runs: list[str]) -> int:
    # By run: MLflow's set_experiment, called by several at once, may leave a client in its former experiment.
    with closing(stack.postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metrics WHERE key = 'loss' AND run_uuid = ANY(%s)", (runs,))
        return int(cursor.fetchone()[0])
