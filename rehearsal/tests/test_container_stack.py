"""The built image, run in Docker as it is registered: what it may do, and what it needs."""

import copy
import json

import pytest

from rehearsal.containers.container import Container
from rehearsal.containers.docker import PIDS
from rehearsal.stack import RehearsedStack
from rehearsal.task import TaskError

pytestmark = pytest.mark.container

SERVER = "tracking-server"
MEBIBYTE = 1024 * 1024
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
