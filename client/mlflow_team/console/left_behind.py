"""The consoles of runs whose process died before it could upload them, or that no store took."""

import contextlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow_team.spool.lock import BusyError, Lock

from .record import join

FOLDER, ABOUT = "console", "run.json"


@dataclass(frozen=True, kw_only=True)
class About:
    """Whose console it is.

    Attributes:
        run_id: the server's id, or a local one.
    """

    run_id: str
    tracking_uri: str
    workspace: str | None


def place(spool: Path, run_id: str, name: str) -> Path:
    """Return the folder for a run's console that is to be the artifact `<name>.txt`."""
    return spool / FOLDER / run_id / name


def sign(folder: Path, about: About) -> None:
    """Write whose console it is."""
    (folder / ABOUT).write_text(json.dumps(asdict(about)))


def artifact(folder: Path) -> Path:
    """Return the file to be uploaded, which `join` makes."""
    return folder.parent / f"{folder.name}.txt"


def left_behind(spool: Path) -> list[tuple[About, Path]]:
    """Return what no living process will upload: whose it is, and the file, made now.

    Log each to the top of its run's artifacts, then `forget` its file. It stays here until then, and doing it
    twice does no harm.

    Args:
        spool: the folder of journals.
    """
    found = []
    for told in sorted(spool.glob(f"{FOLDER}/*/*/{ABOUT}")):
        folder = told.parent
        with contextlib.suppress(BusyError, OSError, ValueError, TypeError):
            lock = Lock(folder)
            try:
                join(folder, artifact(folder))
                found.append((About(**json.loads(told.read_text())), artifact(folder)))
            finally:
                lock.release()
    return found


def forget(file: Path) -> None:
    """Take a console that has been uploaded away from the disk."""
    shutil.rmtree(file.with_name(file.name.removesuffix(".txt")), ignore_errors=True)
    file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.parent.rmdir()  # a run that was resumed has others
