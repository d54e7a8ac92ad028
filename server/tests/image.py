"""Builds the image for tests; BASE_IMAGE names another base to build from."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker

SERVER = Path(__file__).parents[1]
# One name for each checkout: a killed run leaves its images to the next one.
NAME = f"mlflow-tracking-test/server-{hashlib.sha256(str(SERVER).encode()).hexdigest()[:12]}"
BUILD_ARGUMENTS = {"BASE": other} if (other := os.environ.get("BASE_IMAGE")) else {}


@contextmanager
def built(engine: docker.DockerClient, context: Path, tag: str) -> Iterator[Any]:
    """Build by Docker's API, and take the name away again; the builder keeps its cache."""
    image, _ = engine.images.build(
        path=str(context), buildargs=BUILD_ARGUMENTS, tag=f"{NAME}:{tag}", rm=True, forcerm=True
    )
    try:
        yield image
    finally:
        engine.images.remove(f"{NAME}:{tag}")
