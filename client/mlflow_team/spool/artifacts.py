"""Artifacts: straight to their store as MLflow sends them, and into the spool when it does not take them."""

import contextlib
import logging
import os
import posixpath
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from .identities import LOCAL
from .reach import AwayError, innermost

if TYPE_CHECKING:
    from .spool import Spool

LOG = logging.getLogger("mlflow_team")
# Where artifacts lie whose run or logged model the server does not know yet: PREFIX, local id, folder.
RUN_FOLDER, MODEL_FOLDER = "artifacts", "model"
SCHEME = "mlflow-team-spool"
PREFIX = f"{SCHEME}:///"
RUN = re.compile(r"/([0-9a-f]{32})/artifacts(?:/|$)")
MODEL = re.compile(r"/models/(m-[0-9a-f]{32})/artifacts(?:/|$)")
UNBORN = re.compile(rf"{PREFIX}({LOCAL.pattern})/")

_sending = threading.local()
_spools: dict[str, "Spool"] = {}


def know(spool: "Spool") -> None:
    """Let the artifacts of runs of its tracking server go into this spool."""
    _spools[spool.uri] = spool


def upload(uri: str, file: Path, path: str | None) -> None:
    """Send a kept file to a place among the artifacts at `uri`.

    Raises:
        AwayError: the store does not take it, now or ever: nobody but a person can tell which.
    """
    from mlflow.store.artifact.artifact_repository_registry import (  # noqa: PLC0415 - it loads this module
        get_artifact_repository,
    )

    _sending.now = True
    try:
        get_artifact_repository(uri).log_artifact(str(file), path)
    except Exception as error:
        raise AwayError(f"artifact store: {innermost(error)}") from error
    finally:
        _sending.now = False


class Kept(ArtifactRepository):
    """What is added to a repository: files that it does not take are kept and sent later."""

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload a file, or keep it."""
        spool = self._spool()
        if spool is None:
            self._plain(local_file, artifact_path)
            return
        file = Path(local_file)
        file.stat()  # what is not there is the script's own error, and raised as MLflow does
        spool.artifact(
            self.artifact_uri,
            file,
            artifact_path,
            lambda: self._plain(local_file, artifact_path),
            proxied=isinstance(self, MlflowArtifactsRepository),
        )

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Upload what is in a folder, file by file, and keep what is not taken."""
        for file, path in _inside(Path(local_dir), artifact_path):
            self.log_artifact(str(file), path)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List, after what was kept has been sent as far as it can be."""
        self._flush()
        return super().list_artifacts(path)  # pyright: ignore[reportAbstractUsage]

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Download, after what was kept has been sent as far as it can be."""
        self._flush()
        return super().download_artifacts(artifact_path, dst_path)

    def _plain(self, local_file: str, artifact_path: str | None) -> None:
        super().log_artifact(local_file, artifact_path)  # pyright: ignore[reportAbstractUsage]

    def _spool(self) -> "Spool | None":
        return (
            None
            if getattr(_sending, "now", False)
            else _spools.get(self.tracking_uri or mlflow.get_tracking_uri())
        )

    def _flush(self) -> None:
        spool = self._spool()
        if spool is not None:
            spool.flush_artifacts(self.artifact_uri)


class KeptS3(Kept, S3ArtifactRepository):
    """S3."""


class KeptProxied(Kept, MlflowArtifactsRepository):
    """A server that stores artifacts itself."""


class Unborn(Kept):
    """Artifacts of a run that the server does not know yet."""

    def _plain(self, local_file: str, artifact_path: str | None) -> None:  # noqa: ARG002 - MLflow's call
        raise AwayError(f"its run is not on the server yet, nor a place for {Path(local_file).name}")

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List what is kept of it."""
        spool = self._spool()
        kept = spool.kept(self.artifact_uri) if spool else {}
        inside = f"{path}/" if path else ""
        names = {
            name.removeprefix(inside).partition("/")[0]: name for name in kept if name.startswith(inside)
        }
        return [
            FileInfo(f"{inside}{first}", is_dir=f"{inside}{first}" != name, file_size=_size(kept[name]))
            for first, name in sorted(names.items())
        ]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        spool = self._spool()
        kept = spool.kept(self.artifact_uri) if spool else {}
        Path(local_path).write_bytes(kept[remote_file_path].read_bytes())

    def _flush(self) -> None:
        """Leave it: nothing of it can be sent yet."""


def _size(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return None


def subject(uri: str) -> str:
    """Return the run or logged model whose artifacts these are, nothing when the address does not tell."""
    for form in (UNBORN, MODEL, RUN):
        if found := form.search(uri):
            return found[1]
    return ""


def _inside(folder: Path, path: str | None) -> Iterator[tuple[Path, str | None]]:
    for root, _, names in os.walk(folder):
        below = Path(root).relative_to(folder).as_posix()
        target = posixpath.join(path or "", "" if below == "." else below).rstrip("/") or None
        for name in sorted(names):
            yield Path(root, name), target
