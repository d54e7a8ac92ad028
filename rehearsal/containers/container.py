"""A container that Docker runs: its log, its exit code and its end, as a process has them."""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from docker.errors import NotFound
from testcontainers.core.container import DockerContainer

from rehearsal.processes import STOP_SECONDS, Started


class Container(Started):
    """Runs while the context is open; its log is kept."""

    def __init__(self, name: str, started: DockerContainer, *, log: Path) -> None:
        super().__init__(name, log)
        self._started = started

    def __enter__(self) -> Self:
        self._started.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def id(self) -> str:
        """Docker's id."""
        return self._started.get_container_id()

    def describe(self) -> dict[str, Any]:
        """Return what Docker knows of it now, as `docker inspect` shows it."""
        container = self._started.get_wrapped_container()
        container.reload()
        return dict(container.attrs)

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        state = self.describe()["State"]
        if state["Running"]:
            return None
        self._write_log()
        return int(state["ExitCode"])

    def port(self, port: int) -> int:
        """Return where on loopback a port of the container is published."""
        return self._started.get_exposed_port(port)

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command in it; return exit code and output."""
        result = self._started.exec(list(command))
        return result.exit_code or 0, result.output.decode(errors="replace")

    def end_of_log(self) -> str:
        """Return the last lines of its log."""
        self._write_log()
        return super().end_of_log()

    def end(self, seconds: float = STOP_SECONDS) -> None:
        """End what runs in it: its stop signal, and SIGKILL when it does not listen; the container stays."""
        self._started.get_wrapped_container().stop(timeout=math.ceil(seconds))

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End and remove it."""
        if self._started._container is None:  # noqa: SLF001 - never started, or its start failed
            return
        # A person may have removed it.
        with contextlib.suppress(NotFound):
            self.end(seconds)
            self._write_log()
            self._started.stop()
        self._started._container = None  # noqa: SLF001

    def _write_log(self) -> None:
        with contextlib.suppress(NotFound):
            text = self._started.get_wrapped_container().logs()
            if self.describe()["State"]["OOMKilled"]:
                text += b"killed: out of memory\n"
            self.log.write_bytes(text)

    def reason_unhealthy(self, check: Mapping[str, Any]) -> str | None:  # noqa: ARG002 - Docker knows it
        """Return why Docker does not call it healthy, with which it was told to check, or None."""
        health = self.describe()["State"]["Health"]
        if health["Status"] == "healthy":
            return None
        last = health["Log"][-1] if health["Log"] else {"ExitCode": "not yet", "Output": ""}
        return f"health check exits {last['ExitCode']}: {last['Output'].splitlines()[-1:]}"
