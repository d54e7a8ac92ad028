"""The command `docker`, in place of this machine's: a shell script that notes its calls."""

import os
from pathlib import Path

import pytest


class FakeDocker:
    """A folder at the front of PATH with a `docker` in it, as long as the environment is patched.

    Attributes:
        calls: the arguments of each call so far.
    """

    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self._calls = folder / "calls"
        self._command = folder / "docker"
        self.answers("echo 28.0.0")
        environment.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        environment.delenv("DOCKER_BUILDKIT", raising=False)

    def answers(self, script: str) -> None:
        """Have `docker` run this."""
        self._command.write_text(f'#!/bin/sh\necho "$@" >> {self._calls}\n{script}\n')
        self._command.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []
