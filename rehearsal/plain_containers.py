"""A task's containers as plain processes of this checkout: no image, and nothing that confines them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.processes import Process
from rehearsal.task import Runtime


class PlainContainers(Runtime):
    """Runs each registered command as a process; an image's ENV lines are what it is told they would be."""

    shows = frozenset()

    def __init__(
        self, environment: Mapping[str, str], *, published: Mapping[int, int], folder: Path, logs: Path
    ) -> None:
        """Take the working directory of the processes, and where their logs go."""
        self.environment = environment
        self.published = published
        self._folder = folder
        self._logs = logs

    def container(self, container: Mapping[str, Any], environment: dict[str, str]) -> "PlainContainer":
        """Return a registered container with its whole environment, not yet started."""
        return PlainContainer(container, environment, folder=self._folder, logs=self._logs)


class PlainContainer(Process):
    """One of them."""

    def __init__(
        self, container: Mapping[str, Any], environment: dict[str, str], *, folder: Path, logs: Path
    ) -> None:
        name = container["name"]
        super().__init__(
            name, container["command"], environment=environment, log=logs / f"{name}.log", cwd=folder
        )
        self._probe = {"environment": environment, "log": logs / f"{name}-health.log", "cwd": folder}

    def reason_unhealthy(self, check: Mapping[str, Any]) -> str | None:
        """Run the health check's command once, beside the process; return why it does not pass, or None."""
        _, *command = check["command"]
        with Process("health check", command, **self._probe) as probe:
            code = probe.wait(float(check["timeout"]))
        return None if code == 0 else f"health check exits {code}: {probe.end_of_log().splitlines()[-1:]}"


def interpreter_path(environment_folder: Path) -> str:
    """Return the PATH of an image whose `python` is the one of a virtual environment."""
    return os.pathsep.join([str(environment_folder / "bin"), "/usr/bin", "/bin"])
