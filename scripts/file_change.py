"""A change to a text file that can be shown before it happens and happens whole or not at all."""

import difflib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

PRIVATE_FOLDER = 0o700
BACKUP_SUFFIX = ".before-mlflow-tracking"


def read_text(path: Path) -> str:
    """Return a file's text with its line ends as they are; empty when there is no such file.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """What a file holds and what it is to hold; a file that is to hold nothing goes away.

    Attributes:
        foreign: text that was not written by us; when there is any, the file is copied before it changes.
    """

    path: Path
    before: str
    after: str
    foreign: str

    @property
    def backup(self) -> Path | None:
        """Where the file is copied to before it changes; None when nobody would miss it."""
        return self.path.with_name(self.path.name + BACKUP_SUFFIX) if self.foreign.strip() else None

    def diff(self) -> str:
        """Return the change as a unified diff; empty when there is none."""
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ no line break at the end of the file\n"
            for line in difflib.unified_diff(
                self.before.splitlines(keepends=True),
                self.after.splitlines(keepends=True),
                str(self.path),
                str(self.path),
            )
        )

    def fault(self) -> str | None:
        """Say why the change could not be made, as far as can be seen without trying."""
        target = self.path.resolve()
        folder = next(each for each in target.parents if each.exists())
        if target.exists() and not target.is_file():
            return f"{self.path} is not a file"
        if not folder.is_dir():
            return f"{self.path} cannot be written: {folder} is not a folder"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{self.path} cannot be written: no right to write in {folder}"
        if target.exists() and not os.access(target, os.W_OK):
            return f"{self.path} cannot be written: it is read-only"
        return None

    def apply(self) -> None:
        """Make the change: whoever reads or interrupts sees the old file or the new one.

        Raises:
            OSError: the file system refused; the file is as it was.
        """
        target = self.path.resolve()  # a link stays a link
        target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if self.backup and self.before:
            _replace(target.with_name(self.backup.name), self.before, like=target)
        if self.after:
            _replace(target, self.after, like=target)
        else:
            target.unlink(missing_ok=True)


def _replace(target: Path, text: str, *, like: Path) -> None:
    """Replace a file in one step, with the owner and permissions of `like` if that exists."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if like.exists():
            state = like.stat()
            if (state.st_uid, state.st_gid) != (os.geteuid(), os.getegid()):
                shutil.chown(name, state.st_uid, state.st_gid)
            Path(name).chmod(stat.S_IMODE(state.st_mode))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
