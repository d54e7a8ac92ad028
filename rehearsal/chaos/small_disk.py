"""A disk that is soon full: a file system of its own where one may be mounted, else a limit on each file."""

import contextlib
import errno
import subprocess
from pathlib import Path
from typing import Self

FILLER = "filler"


class SmallDisk:
    """A folder that holds little while the context is open.

    Attributes:
        folder: on that disk.
        file_bytes: what a process must be limited to, where nothing could be mounted; else 0.
    """

    def __init__(self, folder: Path, size: int) -> None:
        """Take where it is to be, and its bytes: a file system counts in pages of 4096."""
        self.folder = folder
        self.file_bytes = 0
        self._size = size
        self._mounted = False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        mount = ("mount", "-t", "tmpfs", "-o", f"size={self._size},mode=700", "tmpfs", str(self.folder))
        try:
            self._mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            self._mounted = False
        if not self._mounted:
            self.file_bytes = self._size
        return self

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            # Lazily: a process that was just killed may still hold it.
            subprocess.run(("umount", "--lazy", str(self.folder)), capture_output=True, check=True)

    def fill(self) -> None:
        """Leave no room, as another program's output does."""
        if not self._mounted:
            return
        with (self.folder / FILLER).open("wb", buffering=0) as filler:
            try:
                for _ in range(self._size):
                    filler.write(b"\0" * 4096)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def clear(self) -> None:
        """Make room again."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / FILLER).unlink()
