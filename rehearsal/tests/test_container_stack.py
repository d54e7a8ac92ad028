"""The built image, run in Docker as it is registered: what it may do, what it needs, what it never loses."""

import copy
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from typing import Any

import pytest
import requests

from rehearsal.__main__ import FOREIGN_PREFIXES
from rehearsal.containers.container import Container
from rehearsal.containers.docker import PIDS
from rehearsal.processes import wait_until
from rehearsal.stack import RehearsedStack
from rehearsal.task import TaskError
from rehearsal.teams import PERSON, TEAM
from rehearsal.tests.login import Api
from smoke_tests.client_process import ClientProcess

pytestmark = pytest.mark.container

SERVER = "tracking-server"
MEBIBYTE = 1024 * 1024
CLIENTS = 8
STEPS, RUNS = 1_000, 4  # of each client; a run's steps are one answer to wait for
SECONDS = 60.0
WARM_WRITES = 5
# Where a process may write although its root is read-only: the declared volume, and the kernel's own.
WRITABLE = """
import json, os
print(json.dumps([
    folder for folder, folders, _ in os.walk("/")
    if not folder.startswith(("/proc", "/sys", "/dev")) and os.access(folder, os.W_OK)
]))
"""
WRITE = "import sys; open(sys.argv[1], 'w').write('x')"


@pytest.fixture(scope="module")
def containers(in_docker: RehearsedStack) -> dict[str, Container]:
    assert in_docker.task is not None
    return dict(in_docker.task.started)


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


def test_smoke_tests_pass_as_the_team(in_docker: RehearsedStack) -> None:
    in_docker.run_smoke_tests()
    assert in_docker.laptop.smoke["passed"] > 0
    assert in_docker.laptop.smoke["failed"] == in_docker.laptop.smoke["skipped"] == 0


def test_what_runs_is_what_was_registered(
    in_docker: RehearsedStack, containers: dict[str, Container]
) -> None:
    definition = in_docker.task_definition()
    memory = int(definition["memory"]) * MEBIBYTE
    for registered in definition["containerDefinitions"]:
        told = containers[registered["name"]].describe()
        config, host = told["Config"], told["HostConfig"]
        assert config["Image"].rsplit("@", 1)[1] == registered["image"].rsplit("@", 1)[1]
        assert config["Cmd"] == registered["command"]
        assert {f"{pair['name']}={pair['value']}" for pair in registered["environment"]} <= set(config["Env"])
        assert config["User"] == registered["user"] == "10001:10001"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["PidsLimit"] == PIDS
        assert not host["Privileged"]
        assert host["Memory"] == host["MemorySwap"] == memory
        mounted = [mount for mount in told["Mounts"] if mount["RW"]]
        assert [(mount["Type"], mount["Destination"]) for mount in mounted] == [("volume", "/tmp")]  # noqa: S108
    check = containers[SERVER].describe()["Config"]["Healthcheck"]["Test"]
    assert check == definition["containerDefinitions"][1]["healthCheck"]["command"]
    secret = {pair["name"] for pair in definition["containerDefinitions"][0]["secrets"]}
    assert secret & {line.split("=")[0] for line in containers[SERVER].describe()["Config"]["Env"]} == set()


def test_nothing_is_published_beyond_loopback(in_docker: RehearsedStack) -> None:
    ours = {"label": [f"{key}={value}" for key, value in in_docker._docker.labels.items()]}
    published = [
        binding
        for container in in_docker._docker.engine.containers.list(filters=ours)
        for bindings in container.ports.values()
        for binding in bindings or ()
    ]
    assert published
    assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}


def test_every_container_here_is_confined(in_docker: RehearsedStack) -> None:
    """The network's and Postgres too."""
    ours = {"label": [f"{key}={value}" for key, value in in_docker._docker.labels.items()]}
    running = in_docker._docker.engine.containers.list(filters=ours)
    assert len(running) >= len([SERVER, "network", "Postgres"])
    for container in running:
        status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        assert {facts[each].strip() for each in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
        assert facts["NoNewPrivs"] == "1"
        assert "0" not in facts["Uid"].split() + facts["Gid"].split()
        assert container.attrs["HostConfig"]["ReadonlyRootfs"]


def test_server_is_the_images_user_and_writes_nowhere_but_tmp(containers: dict[str, Container]) -> None:
    server = containers[SERVER]
    assert server.run("id")[1].split()[:2] == ["uid=10001(mlflow)", "gid=10001(mlflow)"]
    code, printed = server.run("python", "-c", WRITABLE)
    assert code == 0, printed
    writable = json.loads(printed)
    assert "/tmp" in writable  # noqa: S108
    assert [folder for folder in writable if not folder.startswith("/tmp")] == []  # noqa: S108
    assert server.run("python", "-c", WRITE, "/tmp/new") == (0, "")  # noqa: S108
    code, printed = server.run("python", "-c", WRITE, "/opt/server/new")
    assert (code, "Read-only file system" in printed) == (1, True)


def test_server_does_not_start_when_the_database_is_another(
    in_docker: RehearsedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = copy.deepcopy(in_docker.task_definition())
    for container in definition["containerDefinitions"]:
        container["environment"] = [
            {"name": "PGHOST", "value": "127.0.0.1"} if pair["name"] == "PGHOST" else pair
            for pair in container["environment"]
        ]
    with pytest.raises(TaskError, match=r"(?s)prepare ended with exit code 1.*does not match host name"):
        in_docker.start_task(definition)
    assert f"{SERVER}:" not in capsys.readouterr().out


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
    in_docker: RehearsedStack, containers: dict[str, Container], clients: list[ClientProcess]
) -> None:
    server = containers[SERVER]
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


def member_of(stack: RehearsedStack) -> Api:
    assert stack.deployment
    role = stack.deployment.outputs["teams"][TEAM]["writerRoleArn"]
    return Api(stack, stack.prerequisites.take(PERSON, role))


def post(api: Api, call: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"2.0/mlflow/{call}", **body)
    answer.raise_for_status()
    return dict(answer.json())


class Writer(threading.Thread):
    """Logs step after step until it is refused, and notes each write that was acknowledged."""

    def __init__(self, stack: RehearsedStack, run_id: str, metric: str) -> None:
        super().__init__(daemon=True)
        self._api = member_of(stack)
        self._run_id = run_id
        self.metric = metric
        # Step, when it was sent, when it was acknowledged.
        self.acknowledged: list[tuple[int, float, float]] = []
        self.refusal = ""

    def run(self) -> None:
        self._log_in()
        for step in itertools.count():
            sent = time.time()
            try:
                post(
                    self._api,
                    "runs/log-metric",
                    run_id=self._run_id,
                    key=self.metric,
                    value=step,
                    step=step,
                    timestamp=step,
                )
            except requests.RequestException as error:
                body = "" if error.response is None else error.response.text
                self.refusal = f"{error} {body}"
                return
            self.acknowledged.append((step, sent, time.time()))

    def _log_in(self) -> None:
        # On a busy machine the emulated STS may take longer than the server waits; clients try again, too.
        wait_until(
            lambda: None if (status := self._api.status()) == HTTPStatus.OK else f"answers {status}",
            what=f"login of {self.metric}",
            seconds=SECONDS,
        )


def not_once(stack: RehearsedStack, run_id: str, writers: list[Writer]) -> set[tuple[str, int]]:
    """Return the acknowledged writes that the database does not hold exactly once."""
    with closing(stack.postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key, step FROM metrics WHERE run_uuid = %s AND value = step", (run_id,))
        held = Counter(cursor.fetchall())
    written = {(writer.metric, step) for writer in writers for step, _, _ in writer.acknowledged}
    return {write for write in written if held[write] != 1}


@pytest.fixture
def second_server(in_docker: RehearsedStack) -> Iterator[Container]:
    """Start a second task and lead the load balancer to it, as a deployment does."""
    first = in_docker.front._target
    task, target = in_docker.start_task(in_docker.task_definition())
    in_docker.front.register(target)
    yield task.started[SERVER]
    in_docker.front.register(first)


def signalled(stack: RehearsedStack, container: Container, since: float) -> float:
    """Return when Docker sent the first signal."""
    kills = stack._docker.engine.events(
        since=int(since),
        until=int(time.time()) + 1,
        filters={"container": container.id, "event": "kill"},
        decode=True,
    )
    return next(iter(kills))["timeNano"] / 1e9


def test_server_told_to_stop_loses_no_acknowledged_write(
    in_docker: RehearsedStack, second_server: Container
) -> None:
    api = member_of(in_docker)
    experiment = post(api, "experiments/create", name="stopped")["experiment_id"]
    run_id = post(api, "runs/create", experiment_id=experiment, start_time=0)["run"]["info"]["run_id"]
    writers = [Writer(in_docker, run_id, f"of-{number}") for number in range(CLIENTS)]
    for writer in writers:
        writer.start()
    wait_until(
        lambda: (
            None
            if all(len(writer.acknowledged) > WARM_WRITES for writer in writers)
            else "; ".join(
                f"{writer.metric} {writer.refusal or f'{len(writer.acknowledged)} acknowledged'}"
                for writer in writers
            )
        ),
        what="writing",
        seconds=SECONDS,
        give_up=lambda: any(writer.refusal for writer in writers),
    )
    stop_timeout = in_docker.task_definition()["containerDefinitions"][1]["stopTimeout"]
    told = time.time()
    second_server.end(stop_timeout)
    seconds = time.time() - told
    for writer in writers:
        writer.join(SECONDS)

    # They wrote when the signal came, and what was under way was answered.
    signal = signalled(in_docker, second_server, told)
    under_way = [write for writer in writers for write in writer.acknowledged if write[1] < signal < write[2]]
    count = sum(len(writer.acknowledged) for writer in writers)
    print(f"\n{count} writes acknowledged, {len(under_way)} after the signal; ended after {seconds:.1f} s")
    assert under_way
    assert all(writer.refusal for writer in writers)
    assert all(signal - writer.acknowledged[-1][2] < 1 for writer in writers)
    assert second_server.exit_code() == 0
    assert seconds < stop_timeout
    assert not_once(in_docker, run_id, writers) == set()

    # The check sees a loss.
    lost = (writers[0].metric, writers[0].acknowledged[-1][0])
    with closing(in_docker.postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM metrics WHERE run_uuid = %s AND key = %s AND step = %s", (run_id, *lost))
        connection.commit()
    assert not_once(in_docker, run_id, writers) == {lost}
