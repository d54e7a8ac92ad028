"""Under which conditions a run runs: tags that each run gets when it starts, and artifacts that follow."""

import json
import os
import platform
import socket
import sys
import tempfile
from pathlib import Path

from mlflow.tracking.context.abstract_context import RunContextProvider
from mlflow.utils.mlflow_tags import MLFLOW_GIT_BRANCH, MLFLOW_GIT_COMMIT, MLFLOW_GIT_REPO_URL

from . import arguments, diff, environment, switches, tags, uploads
from .source_code import Checkout, GitError
from .switches import Piece


class Provenance(RunContextProvider):
    """Tags of MLflow's plugin point for what a run starts in."""

    def in_context(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Tell whether they are wanted."""
        return switches.on(Piece.PROVENANCE)

    def tags(self) -> dict[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the tags; MLflow's own names where it has one."""
        found = {
            tags.COMMAND: json.dumps(arguments.command(), ensure_ascii=False),
            tags.WORKING_DIRECTORY: str(Path.cwd()),
            tags.PYTHON: platform.python_version(),
            tags.PLATFORM: platform.platform(),
            tags.HOST: socket.gethostname(),
        }
        if name := environment.notebook():
            found[tags.NOTEBOOK] = name
        try:
            checkout = Checkout.around(_folder())
        except GitError:
            return found
        inside = os.path.relpath(Path.cwd().resolve(), checkout.root.resolve())
        if not inside.startswith(os.pardir):
            found[tags.WORKING_DIRECTORY] = inside
        found[MLFLOW_GIT_COMMIT] = checkout.commit
        found[tags.GIT_DIRTY] = str(checkout.dirty).lower()
        if checkout.branch:
            found[MLFLOW_GIT_BRANCH] = checkout.branch
        if checkout.repository:  # MLflow's own tag holds the login that a clone's address may have
            found[MLFLOW_GIT_REPO_URL] = checkout.repository
        return found


def store(run_id: str) -> None:
    """Store in the background what takes longer; the diff is read now, as the script's code is now."""
    if switches.on(Piece.DIFF):
        _store_diff(run_id)
    if switches.on(Piece.PACKAGES):
        uploads.submit(run_id, lambda: _packages(run_id), "packages")
    uploads.submit(run_id, lambda: _accelerators(run_id), "accelerators")


def _store_diff(run_id: str) -> None:
    try:
        found = diff.read(Checkout.around(_folder()).root)
    except GitError:
        return
    except diff.WithheldError as error:
        withheld = str(error)
        uploads.submit(run_id, lambda: _tag(run_id, tags.GIT_DIFF, f"withheld: {withheld}"), "diff")
    else:
        uploads.submit(run_id, lambda: _checked_diff(run_id, found), "diff")


def _checked_diff(run_id: str, found: bytes) -> None:
    try:
        diff.check(found)
    except diff.WithheldError as error:
        _tag(run_id, tags.GIT_DIFF, f"withheld: {error}")
        return
    if found:
        _artifact(run_id, tags.DIFF, found)
    _tag(run_id, tags.GIT_DIFF, diff.STORED if found else diff.NONE)


def _accelerators(run_id: str) -> None:
    if names := environment.accelerators():
        _tag(run_id, tags.ACCELERATOR, names)


def _folder() -> Path:
    """Return where the script lies; a module, a notebook or a prompt: where it runs."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script).absolute().parent if script else Path.cwd()


def _tag(run_id: str, name: str, value: str) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package

    MlflowClient().set_tag(run_id, name, value)


def _packages(run_id: str) -> None:
    _artifact(run_id, tags.REQUIREMENTS, environment.requirements().encode())


def _artifact(run_id: str, artifact: str, content: bytes) -> None:
    """Store bytes as they are: MLflow's log_text would change line ends on some systems."""
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package

    folder, _, name = artifact.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="mlflow-team-") as place:
        copy = Path(place) / name
        copy.write_bytes(content)
        MlflowClient().log_artifact(run_id, str(copy), folder)
