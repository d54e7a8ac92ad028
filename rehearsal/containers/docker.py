"""Docker on this machine: what is made in it bears this checkout's label and goes with the rehearsal."""

import contextlib
import fcntl
import hashlib
import re
import socket
import sys
from pathlib import Path
from typing import Any, Self

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.images import Image
from requests import RequestException
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer

from rehearsal.laptop import ROOT

LABEL = "mlflow-tracking.checkout"
LOOPBACK = "127.0.0.1"
# An image that was pulled from, or pushed to, the registry of an emulator.
OF_AN_EMULATOR = re.compile(rf"{re.escape(LOOPBACK)}:(?P<port>\d+)/mlflow-tracking-rehearsal[:@]")
ANSWER_SECONDS = 60  # the slowest single answer: a busy engine that starts a container
ASK_SECONDS = 20
PIDS = 512

# It would start a container of its own that watches over the others; ours are removed by their label.
testcontainers_config.ryuk_disabled = True
# Else it looks whether this is a container itself, and guesses.
testcontainers_config.connection_mode_override = ConnectionMode.docker_host
testcontainers_config.tc_host_override = LOOPBACK


class DockerBusyError(RuntimeError):
    """Another rehearsal of this checkout uses Docker."""


class Docker:
    """The engine, held for one checkout: leftovers go when it is taken, and what was made when it is left."""

    def __init__(self, checkout: Path = ROOT) -> None:
        """Take the checkout on whose behalf things are made, the engine where the environment says."""
        self.labels = {LABEL: hashlib.sha256(str(checkout.resolve()).encode()).hexdigest()[:16]}
        self._lock = checkout / ".rehearsal" / "docker.lock"
        self._held = contextlib.ExitStack()
        self._pulled: list[str] = []
        self.engine = docker.from_env(timeout=ANSWER_SECONDS)

    def __enter__(self) -> Self:
        self._lock.parent.mkdir(exist_ok=True)
        lock = self._held.enter_context(self._lock.open("a+"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.remove_leftovers()
        except BlockingIOError:
            self._held.close()
            raise DockerBusyError(
                "containers of this checkout already run for another test: wait for it to end"
            ) from None
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.remove_leftovers()
        finally:
            self._held.close()
            self.engine.close()

    @staticmethod
    def missing() -> str:
        """Return why nothing can be run in Docker, or nothing."""
        if sys.platform != "linux":
            return "containers reach this machine's loopback through Unix sockets, which Linux alone shares"
        try:
            with contextlib.closing(docker.from_env(timeout=ASK_SECONDS)) as engine:
                engine.ping()
        except (DockerException, RequestException) as error:
            return f"Docker does not answer: {error}"
        return ""

    def remove_leftovers(self) -> None:
        """Remove what this checkout made, whenever that was, and images of emulators that are gone."""
        ours: dict[str, Any] = {"label": [f"{key}={value}" for key, value in self.labels.items()]}
        for container in self.engine.containers.list(all=True, filters=ours, ignore_removed=True):
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
        for volume in self.engine.volumes.list(filters=ours):
            with contextlib.suppress(NotFound):
                volume.remove(force=True)
        for reference in self._emulators_images():
            # The layers below stay: they are the next build's cache. Somebody else's container may use it.
            with contextlib.suppress(NotFound, APIError):
                self.engine.images.remove(reference, noprune=True)

    def _emulators_images(self) -> list[str]:
        """Return references of pulled images: our own, and those whose registry nobody serves any more."""
        # Not by the SDK's objects: it looks at each image, and one may just have gone.
        references = [
            reference
            for image in self.engine.api.images()
            for reference in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ()))
        ]
        return [
            reference
            for reference in references
            if reference in self._pulled
            or ((found := OF_AN_EMULATOR.match(reference)) and not _listens(int(found["port"])))
        ]

    def pull(self, reference: str) -> Image:
        """Pull an image by its digest."""
        self._pulled.append(reference)
        return self.engine.images.pull(reference)

    def volume(self) -> str:
        """Make an empty volume and return its name."""
        return str(self.engine.volumes.create(labels=self.labels).name)

    def container(
        self, image: str, command: list[str], *, environment: dict[str, str] | None = None, **options: Any
    ) -> DockerContainer:
        """Return a container to start, which can gain no rights and publishes on loopback only.

        The options are Docker's, as its SDK names them; `publish` lists container ports.
        """
        started = DockerContainer(image, command=command, env=environment or {})  # type: ignore[arg-type]
        # It knows no host address for a port, its engine does.
        started.ports = {f"{port}/tcp": (LOOPBACK, None) for port in options.pop("publish", ())}  # type: ignore[misc]
        return started.with_kwargs(
            labels=self.labels,
            security_opt=["no-new-privileges"],
            pids_limit=PIDS,
            # A proxy of this machine does not lead to loopback.
            use_config_proxy=False,
            # Said, so that testcontainers does not look for one.
            network=None,
            **options,
        )


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
