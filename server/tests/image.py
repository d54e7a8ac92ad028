"""Builds the image for tests; BASE_IMAGE names another base to build from."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import BuildError, ContainerError

from rehearsal.image_build import NO_REGISTRY

SERVER = Path(__file__).parents[1]
# One name for each checkout: what a killed run leaves is the next one's to take over or away.
CHECKOUT = hashlib.sha256(str(SERVER).encode()).hexdigest()[:12]
NAME = f"mlflow-tracking-test/server-{CHECKOUT}"
LABELS = {"mlflow-tracking.test": CHECKOUT}
BUILD_ARGUMENTS = {"BASE": other} if (other := os.environ.get("BASE_IMAGE")) else {}


@contextmanager
def asked() -> Iterator[docker.DockerClient]:
    """Connect to Docker, and remove what a killed run of this checkout's tests left in it."""
    with closing(docker.from_env()) as engine:
        ours: dict[str, Any] = {"label": [f"{key}={value}" for key, value in LABELS.items()]}
        for container in engine.containers.list(all=True, filters=ours):
            container.remove(v=True, force=True)
        for volume in engine.volumes.list(filters=ours):
            volume.remove(force=True)
        yield engine


@contextmanager
def built(engine: docker.DockerClient, context: Path, tag: str) -> Iterator[Any]:
    """Build by Docker's API, and take the name away again; the builder keeps its cache."""
    try:
        image, _ = engine.images.build(
            path=str(context), buildargs=BUILD_ARGUMENTS, tag=f"{NAME}:{tag}", rm=True, forcerm=True
        )
    except BuildError as error:
        raise RuntimeError(f"{error}\n{NO_REGISTRY}") from None
    try:
        yield image
    finally:
        engine.images.remove(f"{NAME}:{tag}", noprune=True)


def run(engine: docker.DockerClient, image: Any, *command: str, stderr: bool = False, **options: Any) -> str:
    """Run a command in the image, without a network, and return what it printed.

    Raises:
        ContainerError: its exit code is not 0.
    """
    settings = {"network_mode": "none", "labels": LABELS, **options}
    container = engine.containers.run(image.id, list(command) or None, detach=True, **settings)
    try:
        code = container.wait()["StatusCode"]
        if code:
            raise ContainerError(container, code, command, image.id, container.logs(stdout=False))
        return container.logs(stderr=stderr).decode()
    finally:
        # With the volume that the image declares.
        container.remove(v=True, force=True)
