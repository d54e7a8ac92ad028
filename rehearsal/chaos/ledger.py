"""What a training process says for itself: every call before it is made, and again once it has returned."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self


class Entry(NamedTuple):
    """One thing that a call puts on a run.

    Attributes:
        run: name of the run.
        kind: metric, param, tag, artifact, start or end.
        key: its name; of an artifact the path, of a start the parent's name.
        value: as text; of an artifact the SHA-256, of an end the status.
        step: of a metric.
    """

    run: str
    kind: str
    key: str = ""
    value: str = ""
    step: int = 0


@dataclass
class Call:
    """One call as the ledger tells it.

    Attributes:
        entries: what it was to log.
        clock: Unix time at which it was made, by the process's own clock.
        seconds: how long it took, None when it never returned.
        raised: what it raised, empty when nothing.
        told: what it returned; of a start the run's id.
    """

    entries: list[Entry]
    clock: float
    begun: float
    seconds: float | None = None
    raised: str = ""
    told: str = ""

    @property
    def returned(self) -> bool:
        """Whether it came back as if all were well."""
        return self.seconds is not None and not self.raised


class Ledger:
    """Appends to a file in a way that outlives the process, were it killed with the next instruction."""

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._number = 0

    def begin(self, *entries: Entry) -> int:
        """Note a call before it is made; return its number."""
        self._number += 1
        self._write(n=self._number, entries=entries, clock=time.time(), at=time.monotonic())
        return self._number

    def end(self, number: int, **more: str) -> None:
        """Note that a call has come back."""
        self._write(n=number, at=time.monotonic(), **more)

    @contextmanager
    def call(self, *entries: Entry) -> Iterator["Answered"]:
        """Note a call before it is made and after it has returned."""
        number, answered = self.begin(*entries), Answered()
        try:
            yield answered
        except Exception as error:
            self.end(number, raised=f"{type(error).__name__}: {error}")
            raise
        self.end(number, told=answered.told)

    def _write(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


@dataclass
class Answered:
    """What a call returned, as far as the ledger keeps it."""

    told: str = ""


@dataclass
class Account:
    """A ledger, read back.

    Attributes:
        calls: in the order in which they were made.
    """

    calls: list[Call] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what a process left, up to its last whole line; nothing when it left none."""
        calls: dict[int, Call] = {}
        text = path.read_text() if path.exists() else ""
        for line in text.splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            said = json.loads(line)
            if "entries" in said:
                entries = [Entry(*each) for each in said["entries"]]
                calls[said["n"]] = Call(entries, said["clock"], said["at"])
            else:
                call = calls[said["n"]]
                call.seconds = said["at"] - call.begun
                call.raised, call.told = said.get("raised", ""), said.get("told", "")
        return cls(list(calls.values()))

    def of(self, *kinds: str) -> Iterator[tuple[Entry, Call]]:
        """Yield what was logged of these kinds, each with its call."""
        for call in self.calls:
            for entry in call.entries:
                if entry.kind in kinds:
                    yield entry, call

    def runs(self) -> Sequence[str]:
        """Return the names of the runs that were to be started, in order."""
        return [entry.run for entry, _ in self.of("start")]
