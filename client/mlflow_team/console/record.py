"""What a run printed, on disk line by line: its beginning and its end, whatever kills the process."""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mlflow_team import arguments
from mlflow_team.spool.lock import Lock

from .screen import Screen

# 5 MB at most: the first piece, and the last ones.
PIECE_BYTES = 1_000_000
LAST_PIECES = 4
# How old the last state of a progress bar may be when the process is killed.
SHOWN_EVERY_SECONDS = 1.0
PIECE = ".part"  # its name is the number of the lines before it
LEFT_OUT = "[mlflow-team: {:,} lines left out]\n"


@dataclass(kw_only=True)
class _Stream:
    """What one thread writes to one stream; nobody's line begins in the middle of another's."""

    screen: Screen = field(default_factory=Screen)
    tail: bytes = b""  # what may still change, as it is on disk
    shown: float = 0.0


class Record:
    """A growing text, whole at any moment: what is done, then what may still change."""

    def __init__(self, folder: Path) -> None:
        """Begin.

        Args:
            folder: where its pieces will lie; it is locked while the process lives.

        Raises:
            FileExistsError: there is one already.
            OSError: it cannot be written there.
        """
        folder.mkdir(parents=True, mode=0o700)
        self.folder = folder
        self.lines = 0
        self._alive = Lock(folder)
        self._lock = threading.RLock()  # a signal's handler may print while its thread is in here
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._pieces: list[Path] = []
        self._file: BinaryIO | None = None
        self._done = self._size = 0  # bytes of the piece, without and with what may still change

    def write(self, name: str, text: str) -> None:
        """Take what was written to a stream; lines that the disk does not take are left out."""
        key = (name, threading.get_ident())
        with self._lock:
            stream = self._streams.setdefault(key, _Stream())
            lines, now = stream.screen.feed(text), time.monotonic()
            if lines or now - stream.shown >= SHOWN_EVERY_SECONDS:
                stream.shown, stream.tail = now, _bytes(stream.screen.rows())
                if stream.screen.idle:
                    self._streams.pop(key, None)
                for line in lines or [None]:
                    self._put(line)

    def close(self) -> None:
        """Keep what has no newline yet, too."""
        with self._lock:
            streams, self._streams = self._streams, {}
            for row in [row for stream in streams.values() for row in stream.screen.rows()]:
                self._put(row)
            if self._file is not None:
                self._file.close()

    def copy(self, target: Path) -> None:
        """Make one text of it.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            join(self.folder, target, self.lines)

    def release(self) -> None:
        """Let go of the folder, so that others may take what is in it."""
        self._alive.release()

    def _put(self, line: str | None) -> None:
        """Write a line that is done, if there is one, and anew what may still change."""
        done = b"" if line is None else _bytes([line])
        data = done + b"".join(stream.tail for stream in self._streams.values())
        try:
            self._write(self._file or self._begin_piece(), data)
        except OSError:  # as soon as there is room the next piece tells by its name what is missing
            self._end_piece()
        else:
            self._done += len(done)
        self.lines += line is not None
        if self._done >= PIECE_BYTES:
            self._end_piece()

    def _begin_piece(self) -> BinaryIO:
        piece = self.folder / f"{self.lines}{PIECE}"
        self._file = file = piece.open("wb", buffering=0)
        self._done = self._size = 0
        self._pieces.append(piece)
        if len(self._pieces) > 1 + LAST_PIECES:
            self._pieces.pop(1).unlink()
        return file

    def _end_piece(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.closing(file), contextlib.suppress(OSError):
                file.truncate(self._done)
            if not self._done:
                self._pieces.pop().unlink()
        self._done = 0

    def _write(self, file: BinaryIO, data: bytes) -> None:
        file.seek(self._done)
        if file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        end = self._done + len(data)
        if end < self._size:
            file.truncate()
        self._size = end


def join(folder: Path, target: Path, lines: int | None = None) -> None:
    """Make one text of a record's pieces, which says where something was left out.

    Args:
        folder: where the pieces lie.
        target: the file to write.
        lines: how many there were, if that is known.

    Raises:
        OSError: it cannot be written.
    """
    at = 0
    with target.open("wb") as whole:
        for piece in sorted(folder.glob(f"*{PIECE}"), key=lambda path: int(path.stem)):
            content = piece.read_bytes()
            whole.write(_left_out(int(piece.stem) - at) + content)
            at = int(piece.stem) + content.count(b"\n")
        whole.write(_left_out((lines or 0) - at))


def _left_out(lines: int) -> bytes:
    return LEFT_OUT.format(lines).encode() if lines > 0 else b""


def _bytes(lines: Iterable[str]) -> bytes:
    return "".join(f"{arguments.without_secrets(line)}\n" for line in lines).encode(errors="backslashreplace")
