"""What the rehearsal makes in Docker is this checkout's, is found again after a kill, and goes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.containers.container import Container
from rehearsal.containers.docker import Docker, DockerBusyError
from rehearsal.containers.task_containers import TaskContainers
from rehearsal.processes import wait_until
from rehearsal.stack import RehearsedStack
from rehearsal.unrehearsed import UnrehearsedError

pytestmark = pytest.mark.container

ROOT = Path(__file__).parents[2]
SECONDS = 30.0
LASTING = ["python", "-c", "import time; time.sleep(600)"]
# Makes what a rehearsal makes, and is killed by a signal that nobody can catch.
KILLED = """
import os, signal, sys
from pathlib import Path
from rehearsal.containers.docker import Docker
docker = Docker(Path(sys.argv[1])).__enter__()
volume = docker.volume()
options = {"mounts": [{"Type": "volume", "Source": volume, "Target": "/kept"}]}
docker.container(sys.argv[2], sys.argv[3:], **options).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


def made_by(docker: Docker) -> list[str]:
    ours = {"label": [f"{key}={value}" for key, value in docker.labels.items()]}
    volumes = docker.engine.volumes.list(filters=ours)
    return [
        *(f"container {made.short_id}" for made in docker.engine.containers.list(all=True, filters=ours)),
        *(f"volume {made.name}" for made in volumes),
    ]


def await_end(container: Container) -> None:
    wait_until(lambda: "runs" if container.exit_code() is None else None, what="it", seconds=SECONDS)


def kill_a_rehearsal(checkout: Path, image: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, checkout, image, *LASTING],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr


@pytest.fixture
def checkouts(tmp_path: Path) -> Iterator[list[Docker]]:
    """Return the engine for two other checkouts, and leave nothing of theirs."""
    others = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        others.append(Docker(tmp_path / name))
    yield others
    for other in others:
        other.remove_leftovers()


def test_what_a_killed_rehearsal_left_is_removed_at_the_next_start_and_nobody_elses(
    in_docker: RehearsedStack, docker: Docker, checkouts: list[Docker], tmp_path: Path
) -> None:
    running = made_by(docker)
    assert running
    kill_a_rehearsal(tmp_path / "one", in_docker.image)
    kill_a_rehearsal(tmp_path / "another", in_docker.image)
    one, another = checkouts
    assert len(made_by(one)) == len(made_by(another)) == 2
    with Docker(tmp_path / "one"):
        assert made_by(one) == []
        assert len(made_by(another)) == 2
        assert made_by(docker) == running


def test_what_was_made_and_forgotten_goes_at_the_end(in_docker: RehearsedStack, tmp_path: Path) -> None:
    """An interruption may come before anybody has taken note of a container."""
    with Docker(tmp_path) as engine:
        engine.volume()
        engine.container(in_docker.image, LASTING).start()
        assert len(made_by(engine)) == 2
    assert made_by(engine) == []


def test_images_go_when_their_emulator_is_gone(
    in_docker: RehearsedStack, docker: Docker, checkouts: list[Docker]
) -> None:
    gone = "127.0.0.1:9/mlflow-tracking-rehearsal"
    docker.engine.images.get(in_docker.image).tag(gone, "left")
    checkouts[0].remove_leftovers()
    tags = {tag for image in docker.engine.api.images() for tag in image["RepoTags"] or ()}
    assert f"{gone}:left" not in tags
    assert docker.engine.images.get(in_docker.image)


def test_a_checkout_is_held_once(docker: Docker) -> None:
    with pytest.raises(DockerBusyError, match="already run for another test"), Docker():
        pass


def test_ports_are_published_on_loopback_alone(
    in_docker: RehearsedStack, docker: Docker, tmp_path: Path
) -> None:
    options = docker.container(in_docker.image, LASTING, publish=[5000])
    with Container("server", options, log=tmp_path / "log") as container:
        bindings = container.describe()["NetworkSettings"]["Ports"]["5000/tcp"]
        assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]
        assert container.port(5000) == int(bindings[0]["HostPort"])
        container.stop(0)


def test_log_of_a_container_that_dies_at_once_is_kept(
    in_docker: RehearsedStack, docker: Docker, tmp_path: Path
) -> None:
    command = ["python", "-c", "raise SystemExit('no reason to live')"]
    with Container("server", docker.container(in_docker.image, command), log=tmp_path / "log") as container:
        await_end(container)
        assert container.exit_code() == 1
        assert container.end_of_log() == "no reason to live"
    assert (tmp_path / "log").read_text() == "no reason to live\n"


def test_log_of_a_container_that_is_ended_is_kept(
    in_docker: RehearsedStack, docker: Docker, tmp_path: Path
) -> None:
    command = ["python", "-c", "import time; print('serving'); time.sleep(600)"]
    with Container("server", docker.container(in_docker.image, command), log=tmp_path / "log") as container:
        wait_until(lambda: None if container.end_of_log() else "says nothing", what="it", seconds=SECONDS)
        (tmp_path / "log").unlink()
        container.stop(0)
    assert (tmp_path / "log").read_text() == "serving\n"


def test_container_that_a_person_removed_ends_quietly(
    in_docker: RehearsedStack, docker: Docker, tmp_path: Path
) -> None:
    with Container("server", docker.container(in_docker.image, LASTING), log=tmp_path / "log") as container:
        docker.engine.containers.get(container.id).remove(force=True, v=True)


def test_volume_is_roots_unless_the_image_declares_its_path(
    task_containers: Callable[[dict[str, Any]], TaskContainers],
) -> None:
    """As on Fargate, where it decides whether the image's user may write."""
    # Everybody may write to both in the image.
    paths = {"declared": "/tmp", "undeclared": "/var/tmp"}  # noqa: S108
    registered = {
        "name": "server",
        "command": ["stat", "--format", "%a %u", *paths.values()],
        "mountPoints": [{"sourceVolume": name, "containerPath": path} for name, path in paths.items()],
    }
    volumes = [{"name": name} for name in paths]
    definition = {"containerDefinitions": [registered], "volumes": volumes, "memory": "256"}
    with task_containers(definition).container(registered, {}) as container:
        await_end(container)
        declared, undeclared = container.end_of_log().splitlines()
    assert undeclared == "755 0"
    assert declared != "755 0"


@pytest.mark.parametrize(
    ("part", "unknown"),
    [
        ({"linuxParameters": {"initProcessEnabled": True}}, "linuxParameters of server"),
        ({"healthCheck": {"command": ["CMD", "true"], "unheard": 1}}, "healthCheck"),
    ],
)
def test_what_docker_is_not_told_stops_the_rehearsal(
    part: dict[str, Any], unknown: str, task_containers: Callable[[dict[str, Any]], TaskContainers]
) -> None:
    registered = {"name": "server", "command": LASTING, **part}
    runtime = task_containers({"containerDefinitions": [registered], "volumes": [], "memory": "256"})
    with pytest.raises(UnrehearsedError, match=unknown):
        runtime.container(registered, {})
