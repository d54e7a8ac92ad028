"""The training processes as the chaos rehearsal holds them: born of one nursery, waited for, and ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Self

from rehearsal.chaos.nursery import WHERE, Birth
from rehearsal.laptop import ROOT
from rehearsal.processes import POLL_SECONDS, NotReadyError, tied, wait_until

READY_SECONDS = 60.0
TELLING_SECONDS = 0.5


class Children:
    """Runs a nursery while the context is open; with it end all that came from it."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """Take what the nursery sees, and where it complains."""
        self._environment = {**environment, "PYTHONPATH": str(ROOT)}
        self._log = log
        self._nursery: subprocess.Popen[str] | None = None
        self._pids: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, name="children", daemon=True)

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._nursery = subprocess.Popen(
                tied(sys.executable, "-m", "rehearsal.chaos.nursery"),
                env=self._environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, process_group=0,
            )  # fmt: skip
        self._reader.start()
        if not self._ready.wait(READY_SECONDS) or self._nursery.poll() is not None:
            self.__exit__()
            raise NotReadyError(f"the nursery did not begin:\n{self._log.read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._nursery is not None:
            # Its children bear its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._nursery.pid, signal.SIGKILL)
            self._nursery.wait()

    def bear(self, birth: Birth) -> None:
        """Let a process begin."""
        if self._nursery is None or self._nursery.stdin is None:
            raise RuntimeError("there is no nursery yet")
        self._codes.pop(birth.name, None)
        self._nursery.stdin.write(birth.line())
        self._nursery.stdin.flush()

    def code(self, name: str) -> int | None:
        """Return how a process ended, or None while it lives; negative is the signal that ended it."""
        return self._codes.get(name)

    def wait(self, names: Collection[str], seconds: float) -> set[str]:
        """Wait until these have ended; return those that have not."""
        deadline = time.monotonic() + seconds
        while left := {name for name in names if name not in self._codes}:
            if time.monotonic() > deadline:
                return left
            time.sleep(POLL_SECONDS)
        return set()

    def tell_where(self, name: str) -> None:
        """Let one that does not end write the stacks of its threads to its stderr."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pids[name], WHERE)
        time.sleep(TELLING_SECONDS)

    def end(self, name: str) -> None:
        """Kill one that has not ended by itself."""
        if name not in self._codes and name in self._pids:
            with contextlib.suppress(ProcessLookupError):  # just now it has
                os.kill(self._pids[name], signal.SIGKILL)
            wait_until(
                lambda: None if name in self._codes else "still lives", what=name, seconds=READY_SECONDS
            )

    def _read(self) -> None:
        for line in (self._nursery and self._nursery.stdout) or ():
            said = json.loads(line)
            if "code" in said:
                self._codes[said["name"]] = said["code"]
            elif "pid" in said:
                self._pids[said["name"]] = said["pid"]
            else:
                self._ready.set()
        self._ready.set()
