"""A program that has imported MLflow once and forks each training process from there.

It reads one JSON object a line from stdin: the birth of a process, and writes one when it has ended. What a
child runs, it runs as `__main__`, and it ends as every Python process does: hooks, threads and exit handlers.
"""

import ctypes
import faulthandler
import json
import os
import resource
import runpy
import select
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

POLL_SECONDS = 0.003
PR_SET_PDEATHSIG = 1
WHERE = signal.SIGUSR2
# Read while there is one process, so that no child pays for it.
IMPORTED = (
    "mlflow", "mlflow.store.artifact.s3_artifact_repo", "mlflow.data", "boto3", "mlflow_team.command",
    "rehearsal.chaos.ledger", "rehearsal.chaos.clock",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Birth:
    """How a process comes into the world, and what will end it.

    Attributes:
        name: of the process.
        module: what it runs, as `python -m` would.
        arguments: that follow.
        environment: all that it sees.
        folder: where it works and its output goes, `stdout` and `stderr`.
        ledger: the file whose growth counts its life.
        signal: what is sent to it, 0 nothing.
        signal_after: bytes that its ledger must have.
        clock_steps: bytes that its ledger must have, and seconds by which its clock is off from then on.
        file_bytes: the most that a file of it may hold, 0 as the machine allows.
        patches: modules that are run before it.
        fresh: begin with a new interpreter, which no patch, clock or limit reaches.
    """

    name: str
    module: str
    environment: Mapping[str, str]
    folder: str
    ledger: str = ""
    arguments: list[str] = field(default_factory=list)
    signal: int = 0
    signal_after: int = 0
    clock_steps: list[tuple[int, float]] = field(default_factory=list)
    file_bytes: int = 0
    patches: list[str] = field(default_factory=list)
    fresh: bool = False

    def line(self) -> str:
        """Return it as the nursery reads it."""
        return json.dumps(asdict(self)) + "\n"


class Nursery:
    """Forks, signals and waits."""

    def __init__(self) -> None:
        self._living: dict[int, Birth] = {}
        self._doomed: dict[int, Birth] = {}
        self._read = b""

    def next_child(self) -> Birth | None:
        """Serve until stdin ends, and return None; in each child return its birth at once."""
        while True:
            ready, _, _ = select.select([0], [], [], POLL_SECONDS if self._living else 0.5)
            if ready:
                chunk = os.read(0, 65536)
                if not chunk:
                    return None
                *lines, self._read = (self._read + chunk).split(b"\n")
                for line in lines:
                    birth = Birth(**json.loads(line))
                    if (pid := os.fork()) == 0:
                        return birth
                    self._living[pid] = birth
                    print(json.dumps({"name": birth.name, "pid": pid}), flush=True)
                    if birth.signal:
                        self._doomed[pid] = birth
            self._signal()
            self._bury()

    def _signal(self) -> None:
        for pid, birth in list(self._doomed.items()):
            if size_of(birth.ledger) >= birth.signal_after:
                del self._doomed[pid]
                os.kill(pid, birth.signal)

    def _bury(self) -> None:
        while self._living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            birth = self._living.pop(pid)
            self._doomed.pop(pid, None)
            print(json.dumps({"name": birth.name, "code": os.waitstatus_to_exitcode(status)}), flush=True)


def size_of(path: str) -> int:
    """Return the bytes of a file that may not be there yet."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - hundreds of times a second
    except OSError:
        return 0


def be_born(birth: Birth) -> None:
    """Become the process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(birth.folder)
    os.environ.clear()
    os.environ.update(birth.environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, number)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if birth.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (birth.file_bytes, birth.file_bytes))
    if birth.clock_steps:
        from rehearsal.chaos import clock  # noqa: PLC0415 - imported above, in the parent

        clock.step([(size, seconds) for size, seconds in birth.clock_steps], birth.ledger)
    # One that does not end is asked where it is before it is killed; a fresh interpreter dies of it.
    faulthandler.register(WHERE)
    for patch in birth.patches:
        runpy.run_module(patch)
    sys.argv = [birth.module, *birth.arguments]


def main() -> Birth | None:
    """Import, say that it may begin, serve."""
    for name in IMPORTED:
        __import__(name)
    print(json.dumps({"ready": True}), flush=True)
    return Nursery().next_child()


if __name__ == "__main__":
    if (born := main()) is not None:
        be_born(born)
        if born.fresh:
            words = [sys.executable, "-m", born.module, *born.arguments]
            os.execve(sys.executable, words, dict(os.environ))  # noqa: S606 - none is wanted between
        runpy.run_module(born.module, run_name="__main__", alter_sys=True)
