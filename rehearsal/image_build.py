"""Builds the declared image with the Docker of this machine and pushes it to the emulated ECR."""

import contextlib
from collections import deque
from collections.abc import Iterable
from typing import Any

import docker
import docker.errors

from rehearsal.aws.docker_image import Build, ImageBuild
from rehearsal.emulator import ACCOUNT_ID, REGION, Emulator

REGISTRY = f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com"
SHOWN_LINES = 20  # of a failed build
NO_REGISTRY = "(where no image registry is reached, .ci/with-docker makes a base, and BASE_IMAGE names it)"


class ImageBuildError(RuntimeError):
    """Docker could not build or push."""


def registry_reference(emulator: Emulator, reference: str) -> str:
    """Return where Docker finds an image that the stack names in ECR: at the emulator, without TLS.

    Docker asks no certificate of a registry on 127.0.0.1.

    Raises:
        ValueError: the image lies in another registry.
    """
    host, _, name = reference.partition("/")
    if host != REGISTRY:
        raise ValueError(f"image {reference}: only what lies in {REGISTRY} is emulated")
    return f"{emulator.plain_url.removeprefix('http://')}/{name}"


def build_and_push(emulator: Emulator) -> Build:
    """Return what builds a declared image with Docker, pushes it to the emulator, and returns its digest.

    Docker's own API builds, without BuildKit: not as Pulumi's provider does, but from the same inputs.
    """

    def build(image: ImageBuild) -> str:
        local = registry_reference(emulator, image.reference)
        name, tag = local.rsplit(":", 1)
        with contextlib.closing(docker.from_env()) as engine:
            _follow(
                engine.api.build(
                    path=str(image.context),
                    tag=local,
                    buildargs=dict(image.arguments),
                    labels=dict(image.labels),
                    platform=image.platform,
                    rm=True,
                    forcerm=True,
                    decode=True,
                )
            )
            try:
                _follow(engine.api.push(name, tag=tag, stream=True, decode=True))
            finally:
                # The layers below stay: they are the next build's cache.
                engine.images.remove(local, noprune=True)
        described = emulator.client("ecr").describe_images(
            repositoryName=name.partition("/")[2], imageIds=[{"imageTag": tag}]
        )
        return str(described["imageDetails"][0]["imageDigest"])

    return build


def _follow(progress: Iterable[dict[str, Any]]) -> None:
    """Read what Docker says to its end.

    Raises:
        ImageBuildError: it says that something failed.
    """
    said: deque[str] = deque(maxlen=SHOWN_LINES)
    for message in progress:
        said.append(str(message.get("stream", "")).rstrip())
        if "error" in message:
            raise ImageBuildError("\n".join([*filter(None, said), str(message["error"]), NO_REGISTRY]))
