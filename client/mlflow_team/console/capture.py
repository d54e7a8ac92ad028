"""Records what the process prints while a run is active, and uploads it at the run's end."""

import atexit
import hashlib
import os
import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_team import ends, environment, uploads
from mlflow_team.spool import folder

from . import left_behind
from .record import Record
from .streams import Listening

NAME = "console"


def begin(run_id: str) -> None:
    """Listen for a new run."""
    _begin(run_id, NAME)


def resume(run_id: str) -> None:
    """Listen for a run of before, whose first console stays as it is."""
    if run_id not in _consoles:
        _begin(run_id, f"{NAME}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")


def end(run_id: str, status: str) -> None:
    """Hand a run's console over to its uploads."""
    console = _consoles.pop(run_id, None)
    if console is None:
        return
    if not _consoles:
        _listening.leave()
    console.tell(ends.unprinted(status))
    console.record.close()
    console.upload(last=True)


@dataclass(kw_only=True)
class _Console:
    """What a run prints."""

    run_id: str
    client: MlflowClient
    record: Record
    told: str = ""
    uploaded: bytes = hashlib.sha256().digest()

    def tell(self, error: str) -> None:
        """Add a traceback that Python will print when nobody listens any more, if at all."""
        if error != self.told:
            self.told = error
            self.record.write("stderr", error)

    def upload(self, *, last: bool) -> None:
        """Upload what there is, and with the last of it take it away from here."""
        file = left_behind.artifact(self.record.folder)

        def job() -> None:
            self.record.copy(file)
            digest = hashlib.sha256(file.read_bytes()).digest()
            if digest != self.uploaded:
                self.client.log_artifact(self.run_id, str(file))
                self.uploaded = digest
            if last:
                left_behind.forget(file)
                self.record.release()

        uploads.submit(self.run_id, job, file.name)


_consoles: dict[str, _Console] = {}


def _heard(stream: str, text: str) -> None:
    for console in list(_consoles.values()):
        console.record.write(stream, text)


_listening = Listening(_heard)


def _begin(run_id: str, name: str) -> None:
    try:
        record = Record(left_behind.place(folder.chosen(), run_id, name))
    except OSError:
        record = Record(left_behind.place(folder.instead(), run_id, name))
    about = left_behind.About(
        run_id=run_id, tracking_uri=mlflow.get_tracking_uri(), workspace=get_request_workspace()
    )
    left_behind.sign(record.folder, about)
    _consoles[run_id] = _Console(run_id=run_id, client=MlflowClient(), record=record)
    _listening.join()
    if environment.notebook():
        events = sys.modules["IPython"].get_ipython().events
        events.register("pre_run_cell", _cell_runs)
        events.register("post_run_cell", _cell_ran)


def _cell_runs(_info: Any) -> None:
    """Join again what the cell before has left."""
    if _consoles:
        _listening.join()


def _cell_ran(result: Any) -> None:
    """Tell a cell's error, which a notebook shows past the streams."""
    error = result.error_before_exec or result.error_in_exec
    for console in list(_consoles.values()) if error else ():
        console.tell("".join(traceback.format_exception(error)))


def _main_thread_ends() -> None:
    """Upload what there is of runs that exit handlers will end: then S3 takes nothing more."""
    for console in list(_consoles.values()):
        console.tell(ends.unprinted(ends.FAILED))
        console.upload(last=False)


def _forget() -> None:
    """Leave to the parent what is the parent's: a forked child writes into none of its records."""
    _consoles.clear()
    _listening.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
# After those of uploads, which is to say before: the last to come is the first to be called.
getattr(threading, "_register_atexit", atexit.register)(_main_thread_ends)
