"""A run's journal: what one process wrote to one run, on this machine's disk until the server has it."""

import contextlib
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from .lock import Lock
from .record import Record, read

HEADER, STATE, FILES = "header.json", "state.json", "files"
# Written in place, so that a full disk cannot keep us from counting what is lost.
STATE_BYTES = 4096
SEGMENT_BYTES = 4 * 1024**2
READ_BYTES = 1024**2
# What of the bound is left to parameters, tags and ends when metrics have filled the rest.
METRICS_SHARE = 0.9
# Of what waits in memory while the disk is full.
MEMORY_BYTES = 64 * 1024**2
REASONS, REASON_CHARACTERS = 6, 100
OTHER = "other reasons"
FULL, DAMAGED, DIED = "spool full", "damaged on this disk", "disk full, then the process died"


@dataclass(frozen=True, kw_only=True)
class Header:
    """Whose journal it is.

    Attributes:
        run_id: the server's id, or a local one.
        owner: whether the process started the run, so that its death is the run's end.
        begun: UTC, seconds since 1970.
    """

    tracking_uri: str
    workspace: str | None
    run_id: str
    owner: bool
    pid: int
    host: str
    begun: float
    local_id: str = ""
    experiment_id: str = ""
    artifacts: bool = False


@dataclass(kw_only=True)
class State:
    """How far it has been sent, and the account; all counts are of values.

    Attributes:
        at_risk: in memory alone, since the disk is full: lost if the process dies.
        ended: the run's end is in the journal.
        marked: the run's tag says that something is still here.
        why: values lost, by reason.
        told: of these, in the same order, what the run's tag says.
    """

    segment: int = 1
    offset: int = 0
    sent: int = 0
    lost: int = 0
    at_risk: int = 0
    ended: bool = False
    marked: bool = False
    why: dict[str, int] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)

    @property
    def untold(self) -> dict[str, int]:
        """Return what is lost and not in the run's tag, by reason."""
        told = dict(zip(self.why, self.told, strict=False))
        return {why: count - told.get(why, 0) for why, count in self.why.items() if count > told.get(why, 0)}

    def lose(self, count: int, reason: str) -> None:
        """Count what will never be on the server."""
        reason = " ".join(reason.split())[:REASON_CHARACTERS]
        if reason not in self.why and len(self.why) >= REASONS:
            reason = OTHER
        self.lost += count
        self.why[reason] = self.why.get(reason, 0) + count


@dataclass(frozen=True)
class Entry:
    """A record to be sent, and where the next one begins; None is one that the disk has damaged."""

    record: Record | None
    segment: int
    offset: int

    @property
    def count(self) -> int:
        """Return how many values it holds."""
        return self.record.count if self.record else 1


class Journal:
    """Appended to by the script, acknowledged by the sender; for threads, not for forked children."""

    def __init__(self, folder: Path, header: Header, *, bound: int, lock: Lock) -> None:
        self.folder = folder
        self.header = header
        self.state = State()
        self._bound = bound
        self._held = lock
        self._lock = threading.RLock()
        self._memory: deque[Record] = deque()
        self._memory_bytes = 0
        self._dirty = False
        self._waiting = 0
        self._state_file = os.open(folder / STATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._log = -1
        self._segment, self._size, self._bytes = 1, 0, 0

    @classmethod
    def create(cls, folder: Path, header: Header, *, bound: int) -> Self:
        """Make an empty one.

        Args:
            folder: its own; must not be there yet.
            header: whose it is.
            bound: bytes that it may take on the disk, files included.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(mode=0o700)
        journal = cls(folder, header, bound=bound, lock=Lock(folder))
        journal._store()
        journal._open(1)
        # Last: what has no header was never a journal.
        partial = folder / f"{HEADER}.partial"
        partial.write_text(json.dumps(asdict(header)))
        partial.rename(folder / HEADER)
        return journal

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open one whose process has died.

        Raises:
            BusyError: the process lives.
            OSError, ValueError: it is no journal.
        """
        lock = Lock(folder)
        try:
            header = Header(**json.loads((folder / HEADER).read_text()))
            journal = cls(folder, header, bound=2**63, lock=lock)
            text = os.pread(journal._state_file, STATE_BYTES, 0)
            journal.state = State(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"{folder}: {error}") from None
        state = journal.state
        if state.at_risk:
            state.lose(state.at_risk, DIED)
            state.at_risk = 0
        journal._open(max(journal._segments(), default=1))
        journal._store()
        journal._waiting = sum(entry.count for entry in journal._all())
        return journal

    @property
    def name(self) -> str:
        """Return what tells it from all others."""
        return self.folder.name.split(".")[2]

    @property
    def waiting(self) -> int:
        """Return how many values have not been acknowledged yet."""
        return self._waiting

    def append(self, record: Record) -> bool:
        """Write a record down; False when it is lost."""
        line = record.line()
        with self._lock:
            self._dirty = True
            room = self._bound * (METRICS_SHARE if record.metric else 1)
            if self._bytes + len(line) > room:
                return self._lose(record.count, FULL)
            if self._memory or not self._written(line):
                if self._memory_bytes + len(line) > MEMORY_BYTES:
                    return self._lose(record.count, f"disk full: {self.folder}")
                self._memory.append(record)
                self._memory_bytes += len(line)
                self.state.at_risk += record.count
                self._store()
            self._waiting += record.count
            if record.api == "UpdateRun" and record.body.get("status") not in (None, "RUNNING"):
                self.state.ended = True
                self._store()
        return True

    def pending(self) -> list[Entry]:
        """Return the next records to send, in order; nothing when all are sent."""
        with self._lock:
            state = self.state
            entries = self._read(state.segment, state.offset)
            while not entries and state.segment < self._segment:
                # Sent whole: its place on the disk is free again.
                self._drop(state.segment)
                state.segment, state.offset = state.segment + 1, 0
                self._store()
                entries = self._read(state.segment, state.offset)
            if entries or not self._memory:
                return entries
            return [Entry(record, 0, 0) for record in self._memory]

    def done(self, entries: Sequence[Entry], *, refused: str = "") -> None:
        """Forget the first of the pending ones: the server has them, or has refused them for good."""
        count = sum(entry.count for entry in entries)
        with self._lock:
            state = self.state
            if refused:
                state.lose(count, refused)
            else:
                state.sent += count
            for entry in entries:
                if entry.segment:
                    state.segment, state.offset = entry.segment, entry.offset
                else:
                    record = self._memory.popleft()
                    state.at_risk -= record.count
            if not self._memory:
                self._memory_bytes = 0
            self._waiting -= count
            self._store()

    def keep(self, source: Path) -> str:
        """Copy a file into the journal's folder; return its name there.

        Raises:
            OSError: it does not fit, or cannot be read.
        """
        size = source.stat().st_size
        with self._lock:
            if self._bytes + size > self._bound:
                raise OSError(FULL)
            self._bytes += size
        try:
            folder = self.folder / FILES
            folder.mkdir(exist_ok=True)
            number = 1 + max((int(each.name) for each in folder.iterdir()), default=0)
            target = folder / str(number) / source.name
            target.parent.mkdir()
            try:
                shutil.copyfile(source, target)
            except OSError:
                shutil.rmtree(target.parent, ignore_errors=True)
                raise
        except OSError:
            with self._lock:
                self._bytes -= size
            raise
        return f"{FILES}/{number}/{source.name}"

    def discard(self, name: str) -> None:
        """Remove a kept file."""
        path = self.folder / name
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            shutil.rmtree(path.parent)
            with self._lock:
                self._bytes -= size

    def lose(self, count: int, reason: str) -> None:
        """Count what could not even be written down."""
        with self._lock:
            self._lose(count, reason)

    def tell(self, told: Mapping[str, int], *, marked: bool) -> None:
        """Remember what the run's tag says."""
        with self._lock:
            self.state.told = [told.get(reason, 0) for reason in self.state.why]
            self.state.marked = marked
            self._store()

    def to_disk(self) -> None:
        """Make what was written outlive this machine's crash, as far as its disk does."""
        with self._lock:
            dirty, log, self._dirty = self._dirty, self._log, False
        if dirty and log >= 0:
            with contextlib.suppress(OSError):
                os.fsync(log)

    def close(self, *, remove: bool) -> None:
        """Let go of it; with `remove` nothing is left on the disk."""
        with self._lock:
            for number in (self._log, self._state_file):
                if number >= 0:
                    os.close(number)
            self._log = self._state_file = -1
            if remove:
                shutil.rmtree(self.folder, ignore_errors=True)
            self._held.release()

    def _written(self, line: bytes) -> bool:
        if self._size + len(line) > SEGMENT_BYTES and self._size and not self._next():
            return False
        try:
            if os.write(self._log, line) != len(line):
                raise OSError  # a part of it: the disk is full  # noqa: TRY301 - one way to take it back
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._log, self._size)
            return False
        self._size += len(line)
        self._bytes += len(line)
        return True

    def _next(self) -> bool:
        try:
            self._open(self._segment + 1)
        except OSError:
            return False
        return True

    def _open(self, segment: int) -> None:
        path = self._path(segment)
        log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._log >= 0:
            os.close(self._log)
        self._log, self._segment, self._size = log, segment, os.fstat(log).st_size

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:06}.log"

    def _segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.log"))

    def _drop(self, segment: int) -> None:
        path = self._path(segment)
        with contextlib.suppress(OSError):
            self._bytes -= path.stat().st_size
            path.unlink()

    def _read(self, segment: int, offset: int) -> list[Entry]:
        """Read whole lines; what has no end was never acknowledged to the script."""
        try:
            with self._path(segment).open("rb") as log:
                log.seek(offset)
                text = log.read(READ_BYTES)
                if text and b"\n" not in text:
                    text += log.readline()
        except FileNotFoundError:
            return []
        entries = []
        for line in text.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            entries.append(Entry(read(line), segment, offset))
        return entries

    def _all(self) -> list[Entry]:
        found, position = [], (self.state.segment, self.state.offset)
        while True:
            entries = self._read(*position)
            if entries:
                found += entries
                position = (entries[-1].segment, entries[-1].offset)
            elif position[0] < self._segment:
                position = (position[0] + 1, 0)
            else:
                return found

    def _lose(self, count: int, reason: str) -> bool:
        self.state.lose(count, reason)
        self._store()
        return False

    def _store(self) -> None:
        if self._state_file < 0:
            return
        text = json.dumps(asdict(self.state), ensure_ascii=False).encode(errors="replace")
        os.pwrite(self._state_file, text.ljust(STATE_BYTES), 0)


def account(journal: Journal) -> dict[str, Any]:
    """Return what it has sent, keeps and has lost."""
    return {"sent": journal.state.sent, "spooled": journal.waiting, "lost": journal.state.lost}
