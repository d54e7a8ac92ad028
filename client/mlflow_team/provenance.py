"""Under which conditions a run runs: tags that each run gets when it starts, and artifacts that follow."""

import contextlib
import json
import os
import platform
import socket
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.tracking.context.abstract_context import RunContextProvider
from mlflow.utils.mlflow_tags import MLFLOW_GIT_BRANCH, MLFLOW_GIT_COMMIT, MLFLOW_GIT_REPO_URL

from . import arguments, diff, environment, switches, tags, uploads
from .source_code import Checkout, GitError
from .switches import Piece

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_TAG = 5000  # characters, on servers of any age
CUT = "… cut: too many arguments"
# Set for what `mlflow-team reproduce` runs: the run that it repeats.
REPRODUCES_VARIABLE = "MLFLOW_TEAM_REPRODUCES"


class Provenance(RunContextProvider):
    """Tags of MLflow's plugin point for what a run starts in."""

    def in_context(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Tell whether they are wanted."""
        return switches.on(Piece.PROVENANCE)

    def tags(self) -> dict[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the tags; MLflow's own names where it has one."""
        found = {
            tags.COMMAND: _fitting(arguments.command()),
            tags.PYTHON: platform.python_version(),
            tags.PLATFORM: platform.platform(),
            tags.HOST: socket.gethostname(),
        }
        if original := os.environ.get(REPRODUCES_VARIABLE):
            found[tags.REPRODUCES] = original
        if name := environment.notebook():
            found[tags.NOTEBOOK] = name
        place = _working_directory()
        if place:
            found[tags.WORKING_DIRECTORY] = _text(str(place))
        try:
            checkout = _checkout()
        except GitError:
            return found
        if place and place.resolve().is_relative_to(checkout.root.resolve()):
            inside = place.resolve().relative_to(checkout.root.resolve())
            found[tags.WORKING_DIRECTORY] = _text(str(inside))
        found[MLFLOW_GIT_COMMIT] = checkout.commit
        found[tags.GIT_DIRTY] = str(checkout.dirty).lower()
        if checkout.branch:
            found[MLFLOW_GIT_BRANCH] = checkout.branch
        if checkout.repository:  # MLflow's own tag holds the login that a clone's address may have
            found[MLFLOW_GIT_REPO_URL] = checkout.repository
        return found


def store(run_id: str) -> None:
    """Store in the background what takes longer; the diff is read now, as the script's code is now."""
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package

    client = MlflowClient()  # of this moment's server: the script may turn to another
    if switches.on(Piece.DIFF):
        _store_diff(client, run_id)
    if switches.on(Piece.PACKAGES):
        uploads.submit(run_id, lambda: _packages(client, run_id), "packages")
    uploads.submit(run_id, lambda: _accelerators(client, run_id), "accelerators")


def _store_diff(client: "MlflowClient", run_id: str) -> None:
    def withheld(why: Exception) -> None:
        client.set_tag(run_id, tags.GIT_DIFF, f"withheld: {why}")

    def checked() -> None:
        try:
            diff.check(found)
        except diff.WithheldError as error:
            withheld(error)
            return
        if found:
            _artifact(client, run_id, tags.DIFF, found)
        client.set_tag(run_id, tags.GIT_DIFF, diff.STORED if found else diff.NONE)

    try:
        found = diff.read(_checkout().root)
    except GitError:
        return
    except diff.WithheldError as error:
        why = error
        uploads.submit(run_id, lambda: withheld(why), "diff")
    else:
        uploads.submit(run_id, checked, "diff")


def _packages(client: "MlflowClient", run_id: str) -> None:
    _artifact(client, run_id, tags.REQUIREMENTS, environment.requirements().encode())


def _accelerators(client: "MlflowClient", run_id: str) -> None:
    if names := environment.accelerators():
        client.set_tag(run_id, tags.ACCELERATOR, names)


def _checkout() -> Checkout:
    """Return the checkout of the script, or of where it runs: for a notebook, or an installed program."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    here = _working_directory()
    installed = [Path(sysconfig.get_path(name)) for name in ("scripts", "purelib", "platlib", "stdlib")]
    if script and (here or Path(script).is_absolute()):
        place = Path(here or "/", script).parent
        # pytest's own file may lie in a checkout that has nothing to do with the tests
        if not any(place.is_relative_to(folder) for folder in installed):
            with contextlib.suppress(GitError):
                return Checkout.around(place)
    if here is None:
        raise GitError("the working directory is gone")
    return Checkout.around(here)


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # removed under the script
        return None


def _text(value: str) -> str:
    """Return what a server takes: bytes of a path that are no text would fail the start of the run."""
    return value.encode(errors="replace").decode()


def _fitting(words: list[str]) -> str:
    """Return the words as JSON; a server refuses the whole run for a tag that is too long."""
    kept = words
    while len(told := json.dumps(kept, ensure_ascii=False)) > LONGEST_TAG:
        words = words[: len(words) * 9 // 10]
        kept = [*words, CUT]
    return told


def _artifact(client: "MlflowClient", run_id: str, artifact: str, content: bytes) -> None:
    """Store bytes as they are: MLflow's log_text would change line ends on some systems."""
    folder, _, name = artifact.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="mlflow-team-") as place:
        copy = Path(place) / name
        copy.write_bytes(content)
        client.log_artifact(run_id, str(copy), folder)
