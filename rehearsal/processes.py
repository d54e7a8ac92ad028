"""The processes a rehearsal starts: each has a log, a readiness deadline and an end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
LOG_LINES_SHOWN = 15


class NotReadyError(RuntimeError):
    """Something did not become ready; the message carries the last reason and the end of its log."""


def tied(*command: str | Path) -> list[str]:
    """Return the command as one that the kernel kills when this process dies, whatever kills it.

    Linux alone can: elsewhere only an end in order ends what was started.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return [*prefix, *map(str, command)]


def listening_socket() -> socket.socket:
    """Bind a free loopback port that nobody else can take, to be handed to a server."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def free_port() -> int:
    """Name a loopback port that is free now, for servers that must bind it themselves."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(
    check: Callable[[], str | None],
    *,
    what: str,
    seconds: float,
    poll: float = POLL_SECONDS,
    give_up: Callable[[], bool] = lambda: False,
) -> None:
    """Poll `check` until it returns None; it returns the reason while it is not yet so.

    Raises:
        NotReadyError: `seconds` passed, or `give_up` said that waiting is pointless.
    """
    deadline = time.monotonic() + seconds
    while (reason := check()) is not None:
        if give_up() or time.monotonic() > deadline:
            raise NotReadyError(f"{what}: {reason}")
        time.sleep(poll)


class Started:
    """What runs under a name and says why it ended, whether as a process or in a container."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        raise NotImplementedError

    def end_of_log(self) -> str:
        """Return the last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])

    def wait_ready(
        self, check: Callable[[], str | None], *, seconds: float, poll: float = POLL_SECONDS
    ) -> None:
        """Poll `check` until it returns None.

        Raises:
            NotReadyError: the time is up or it has ended; carries the end of its log.
        """
        try:
            wait_until(
                check,
                what=self.name,
                seconds=seconds,
                poll=poll,
                give_up=lambda: self.exit_code() is not None,
            )
        except NotReadyError as error:
            code = self.exit_code()
            state = "runs" if code is None else f"ended with exit code {code}"
            raise NotReadyError(f"{error} (it {state})\n{self.end_of_log()}") from None


class Process(Started):
    """A child in a process group of its own: Ctrl-C reaches us first and we end it in order."""

    def __init__(  # noqa: D417
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
        pass_fds: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        """Name it and say how to start it.

        Args:
            environment: the whole environment; nothing is inherited.
            log: where stdout and stderr go, appended.
        """
        super().__init__(name, log)
        self._command = tied(*command)
        self._environment = dict(environment)
        self._pass_fds = tuple(pass_fds)
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._pass_fds,
                cwd=self._cwd,
                process_group=0,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    def _running(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._popen

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._running().poll()

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit code.

        Raises:
            NotReadyError: it still runs after `seconds`.
        """
        try:
            return self._running().wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotReadyError(
                f"{self.name} did not end within {seconds:.0f} s\n{self.end_of_log()}"
            ) from None

    def kill(self) -> None:
        """End it and its group without a word, as the kernel does when memory runs out."""
        os.killpg(self.pid, signal.SIGKILL)
        self._running().wait()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it: SIGTERM, and SIGKILL to its whole group when it does not listen."""
        popen = self._popen
        if popen is None:
            return
        if popen.poll() is None:
            popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(seconds)
        # Its own children may outlive it; the group dies with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()


def end_children() -> None:
    """Kill whatever this process started and that still runs.

    Ctrl-C may come just after a process was started and before anybody has taken note of it.
    """
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=STOP_SECONDS)
