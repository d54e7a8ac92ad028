"""Where journals lie on this machine."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from mlflow_team.bad_input import BadInputError

from .journal import HEADER, Header, Journal

FOLDER, MEGABYTES = "MLFLOW_TEAM_SPOOL_DIR", "MLFLOW_TEAM_SPOOL_MB"
DEFAULT_MEGABYTES = 1024
ARTIFACTS = ".artifacts"


def chosen() -> Path:
    """Return the folder that a person chose, or the one in their home."""
    told = os.environ.get(FOLDER)
    return Path(told).expanduser().absolute() if told else Path.home() / ".mlflow-team" / "spool"


def instead() -> Path:
    """Return the folder for when the first cannot be written."""
    return Path(tempfile.gettempdir()) / f"mlflow-team-spool-{os.getuid()}"


def bound() -> int:
    """Return how many bytes one journal may take.

    Raises:
        BadInputError: the variable holds no number above 0.
    """
    told = os.environ.get(MEGABYTES, str(DEFAULT_MEGABYTES))
    try:
        megabytes = float(told)
    except ValueError:
        megabytes = 0
    if not megabytes > 0:
        raise BadInputError(
            [f"{MEGABYTES} is {told!r}, allowed is a number above 0: export {MEGABYTES}={DEFAULT_MEGABYTES}"]
        )
    return int(megabytes * 1024**2)


def create(header: Header) -> Journal:
    """Make a journal where it can be made.

    Raises:
        OSError: nowhere.
    """
    name = f"{header.run_id}.{header.pid}.{uuid.uuid4().hex[:8]}{ARTIFACTS if header.artifacts else ''}"
    folder = chosen()
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        return Journal.create(folder / name, header, bound=bound())
    except OSError:
        folder = instead()
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise
        return Journal.create(folder / name, header, bound=bound())


def journals() -> Iterator[Path]:
    """Yield every journal's folder, oldest first."""
    found = [
        path.parent
        for folder in (chosen(), instead())
        if folder.is_dir()
        for path in folder.glob(f"*/{HEADER}")
    ]
    yield from sorted(found, key=lambda path: (path / HEADER).stat().st_mtime_ns)


def expected(local_id: str, *, apart_from: Path) -> bool:
    """Tell whether some other journal will create what has this id."""
    return any(
        path.name.startswith(f"{local_id}.") and not path.name.endswith(ARTIFACTS) and path != apart_from
        for path in journals()
    )
