"""Under which conditions a run runs: tags that each run gets when it starts, and artifacts that follow."""

import json
import os
import platform
import socket
import sys
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
            tags.COMMAND: json.dumps(arguments.command(), ensure_ascii=False),
            tags.WORKING_DIRECTORY: str(Path.cwd()),
            tags.PYTHON: platform.python_version(),
            tags.PLATFORM: platform.platform(),
            tags.HOST: socket.gethostname(),
        }
        if original := os.environ.get(REPRODUCES_VARIABLE):
            found[tags.REPRODUCES] = original
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
        found = diff.read(Checkout.around(_folder()).root)
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


def _folder() -> Path:
    """Return where the script lies; a module, a notebook or a prompt: where it runs."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script).absolute().parent if script else Path.cwd()


def _artifact(client: "MlflowClient", run_id: str, artifact: str, content: bytes) -> None:
    """Store bytes as they are: MLflow's log_text would change line ends on some systems."""
    folder, _, name = artifact.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="mlflow-team-") as place:
        copy = Path(place) / name
        copy.write_bytes(content)
        client.log_artifact(run_id, str(copy), folder)
