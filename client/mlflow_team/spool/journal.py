"""A run's journal: what one process wrote to one run, on this machine's disk until the server has it."""

import contextlib
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from .lock import Lock
from .record import UPDATE_RUN, Record, read
from .state import Header, State, StateFile

HEADER, STATE, FILES = "header.json", "state.json", "files"
# The disk gets its room back by segments.
SEGMENT_BYTES, SEGMENTS = 4 * 1024**2, 8
READ_BYTES = 1024**2
# What of the bound is left to parameters, tags and ends when metrics have filled the rest.
METRICS_SHARE = 0.9
# Of what waits in memory while the disk is full.
MEMORY_BYTES = 64 * 1024**2
FULL, DAMAGED, DIED = "spool full", "damaged on this disk", "disk full, then the process died"


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
        self._segment_bytes = min(SEGMENT_BYTES, bound // SEGMENTS)
        self._held = lock
        self._lock = threading.RLock()
        self._memory: deque[Record] = deque()
        self._memory_bytes = 0
        self._dirty = False
        self._waiting = 0
        self._state_file = StateFile(folder / STATE)
        self._log = -1
        self._segment, self._bytes = 1, 0

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
            journal.state = journal._state_file.read()
        except TypeError as error:
            raise ValueError(f"{folder}: {error}") from None
        state = journal.state
        if state.at_risk:
            # The end is not lost: how the run ended stands here.
            state.lose(state.at_risk - state.end_at_risk, DIED)
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
            # First: a Ctrl-C may come before any line, and what is written must be waited for.
            self._waiting += record.count
            if self._memory or not self._written(line):
                if self._memory_bytes + len(line) > MEMORY_BYTES:
                    self._waiting -= record.count
                    return self._lose(record.count, f"disk full: {self.folder}")
                self._memory_bytes += len(line)
                self.state.at_risk += record.count
                self._memory.append(record)
                self._store()
            if _ends(record):
                self.state.ended, self.state.end_at_risk = record.body["status"], bool(self._memory)
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
            if not entries and not self._memory:
                # A call that was interrupted may have counted what it did not write.
                self._waiting = self._memory_bytes = state.at_risk = 0
            return entries or [Entry(record, 0, 0) for record in self._memory]

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
                    state.end_at_risk &= not _ends(record)
            if not self._memory:
                self._memory_bytes = 0
            size = self._size
            if size > self._segment_bytes // 2 and (state.segment, state.offset) == (self._segment, size):
                self._next()
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

    def learn(self, local: str, real: str) -> None:
        """Remember what became of one of its header's local ids."""
        if local in (self.header.run_id, self.header.experiment_id):
            with self._lock:
                self.state.real[local] = real
                self._store()

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
            os.close(self._log)
            self._log = -1
            self._state_file.close()
            if remove:
                shutil.rmtree(self.folder, ignore_errors=True)
            self._held.release()

    def _written(self, line: bytes) -> bool:
        size = self._size
        if size and size + len(line) > self._segment_bytes:
            if not self._next():
                return False
            size = self._size
        try:
            if os.write(self._log, line) != len(line):
                raise OSError  # a part of it: the disk is full  # noqa: TRY301 - one way to take it back
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._log, size)
            return False
        self._bytes += len(line)
        return True

    def _next(self) -> bool:
        try:
            self._open(self._segment + 1)
        except OSError:
            return False
        return True

    @property
    def _size(self) -> int:
        """Return the bytes of the last segment: the disk knows, whatever was interrupted."""
        return os.fstat(self._log).st_size

    def _open(self, segment: int) -> None:
        path = self._path(segment)
        log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        before, self._log, self._segment = self._log, log, segment
        if before >= 0:
            os.close(before)

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
        self._state_file.write(self.state)


def _ends(record: Record) -> bool:
    return record.api == UPDATE_RUN and record.body.get("status") not in (None, "RUNNING")
