"""Tells whether the process that owns a folder lives: the kernel lets go of its lock whatever kills it."""

import fcntl
import os
from pathlib import Path


class BusyError(RuntimeError):
    """The process that owns it lives."""


class Lock:
    """Held until released or until the process dies; a forked child does not hold it."""

    def __init__(self, folder: Path) -> None:
        """Take it.

        Raises:
            BusyError: another process holds it.
            OSError: the folder cannot be written.
        """
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Not flock: its lock would live on in the workers of a data loader.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(self._file)
            raise BusyError(f"{folder} belongs to a process that lives") from None

    def release(self) -> None:
        """Let go of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
