"""The network interface of a task: an address of its own, and this machine's loopback where it is needed."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from docker.types import Mount

from rehearsal.containers import forwarder
from rehearsal.containers.container import Container
from rehearsal.containers.docker import Docker
from rehearsal.processes import Process

MOUNTED = "/loopback"
READY_SECONDS = 30.0
MEMORY = "128m"


class TaskNetwork:
    """A container that holds the network all containers of a task share, as in awsvpc mode.

    What listens on this machine's loopback goes on listening there alone: in the container, a program listens
    on the same ports of its loopback and passes connections through Unix sockets to the same program here.

    Attributes:
        mode: Docker's network mode for the task's containers.
        published: port of the task to port on this machine's loopback.
    """

    def __init__(  # noqa: D417
        self,
        docker: Docker,
        image: str,
        *,
        publish: Sequence[int],
        reach: Sequence[int],
        work: Path,
        logs: Path,
    ) -> None:
        """Nothing is started yet.

        Args:
            image: any with Python.
            publish: the ports at which the task listens.
            reach: the ports of this machine's loopback that the task connects to.
            work: folder for the sockets; short, for a socket's name has room for about a hundred bytes.
        """
        self._docker = docker
        self._image = image
        self._publish = publish
        self._reach = reach
        self._work = work
        self._logs = logs
        self._stack = ExitStack()
        self.mode = ""
        self.published: dict[int, int] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="net-", dir=self._work))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        program = Path(shutil.copyfile(forwarder.__file__, folder / "forwarder.py"))
        # Whatever the umask: the container's user is not ours.
        folder.chmod(0o755)
        program.chmod(0o644)
        here = Process(
            "way to loopback",
            [sys.executable, program, *(f"{folder}/{port}={port}" for port in self._reach)],
            environment={},
            log=self._logs / "way-to-loopback.log",
        )
        self._stack.enter_context(here).wait_ready(
            lambda: None if forwarder.READY in here.end_of_log() else "does not forward",
            seconds=READY_SECONDS,
        )
        there = Container(
            "task network",
            self._docker.container(
                self._image,
                ["python", f"{MOUNTED}/forwarder.py", *(f"{port}={MOUNTED}/{port}" for port in self._reach)],
                publish=self._publish,
                user="65534:65534",
                read_only=True,
                cap_drop=["ALL"],
                mem_limit=MEMORY,
                memswap_limit=MEMORY,
                healthcheck={"test": ["NONE"]},
                mounts=[Mount(MOUNTED, str(folder), type="bind", read_only=True)],
            ),
            log=self._logs / "task-network.log",
        )
        self._stack.enter_context(there)
        self._stack.callback(there.stop, 0)
        there.wait_ready(
            lambda: None if forwarder.READY in there.end_of_log() else "does not forward",
            seconds=READY_SECONDS,
        )
        self.mode = f"container:{there.id}"
        self.published = {port: there.port(port) for port in self._publish}
