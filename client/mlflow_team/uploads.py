"""Artifacts in the background: a run's uploads go in order, and its end waits for them."""

import atexit
import contextvars
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import ends, tags
from .background import POLL_SECONDS, Line

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOG = logging.getLogger("mlflow_team")

# Jobs that may wait in a run's line; whoever brings one more waits for a place.
LONGEST_LINE = 1000
ATTEMPTS = 5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
# After SIGTERM: ECS and Kubernetes kill after 30, and the run's end must be told before.
TERMINATED_SECONDS = 10.0
PROGRESS_AFTER_SECONDS, PROGRESS_EVERY_SECONDS, TOLD_SECONDS = 2.0, 10.0, 0.5
# What a tag can hold is bounded by the server at 8,000 characters.
REASON_CHARACTERS, FAILURES_IN_TAG = 200, 20


def log_artifact_async(path: str | Path, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Upload a file, or a folder with all in it, in the background.

    The file is read when its turn comes: leave it as it is until the run has ended. Large files go to S3 in
    parts, as MLflow's own `log_artifact` sends them.

    Args:
        path: the file or folder.
        artifact_path: folder of the run's artifacts to put it in; the top by default.
        run_id: the run; the active one by default.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: no run is active and none was named.
    """
    import mlflow  # noqa: PLC0415 - it loads this package
    from mlflow import MlflowClient  # noqa: PLC0415

    source = Path(path).absolute()
    if not source.exists():
        raise FileNotFoundError(f"{path} is not there: nothing to upload")
    if run_id is None:
        active = mlflow.active_run()
        if active is None:
            raise ValueError(
                "no run is active: mlflow.start_run() first, or log_artifact_async(path, run_id=…)"
            )
        run_id = active.info.run_id
    client, run = MlflowClient(mlflow.get_tracking_uri()), run_id

    def upload() -> None:
        if source.is_dir():
            inside = f"{artifact_path}/{source.name}" if artifact_path else source.name
            client.log_artifacts(run, str(source), inside)
        else:
            client.log_artifact(run, str(source), artifact_path)

    submit(run_id, upload, str(path))


def submit(run_id: str, job: Callable[[], object], name: str) -> None:
    """Do a job of a run in the background, after those that came before it.

    Args:
        run_id: the run whose end waits for it.
        job: may raise; it is tried again, and what stays undone is told on the run.
        name: how a person is told of it.
    """
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package

    while (here := _lines.get(run_id)) is not None and len(here.jobs) >= LONGEST_LINE:
        time.sleep(POLL_SECONDS)
    with _lock:
        line = _lines.get(run_id)
        if line is None:
            line = _lines[run_id] = _Line(run_id, MlflowClient())
        line.add(_Job(name=name, call=job, context=contextvars.copy_context()))


def before_end(run_id: str, _status: str) -> None:
    """Wait for a run's uploads; those of a process that is being terminated are given up after a while."""
    wait(run_id, seconds=_patience())
    with _lock:
        line = _lines.get(run_id)
    left = list(line.jobs) if line is not None else []
    if line is not None and left:
        LOG.error("run %s: terminated with %d uploads left, now %s", run_id, len(left), left[0].name)
        failure = {"path": f"{left[0].name} and {len(left) - 1} more", "reason": "terminated before"}
        with _lock:
            _failures.setdefault(run_id, []).append(failure)
        _tell_failures(line)


def _patience() -> float | None:
    return TERMINATED_SECONDS if ends.terminated() else None


def wait(run_id: str, seconds: float | None = None) -> bool:
    """Wait until a run's jobs are done, saying how many are left; False when the time is over before."""
    with _lock:
        line = _lines.get(run_id)
    if line is None or line.is_here:
        return True
    begun = told = time.monotonic()
    while not line.wait(min(TOLD_SECONDS, seconds) if seconds is not None else TOLD_SECONDS):
        now = time.monotonic()
        if seconds is not None and now - begun >= seconds:
            return False
        every = PROGRESS_AFTER_SECONDS if sys.stderr.isatty() or told == begun else PROGRESS_EVERY_SECONDS
        left = list(line.jobs)
        if left and now - told >= every:
            told = now
            print(
                f"mlflow-team: {len(left)} uploads of run {run_id} left, now {left[0].name},"
                f" {now - begun:.0f} s",
                file=sys.stderr,
            )
    with _lock:
        if not line.jobs and _lines.pop(run_id, None) is not None:
            line.close()
    _tell_failures(line)
    return True


@dataclass(frozen=True, kw_only=True)
class _Job:
    name: str
    call: Callable[[], object]
    context: contextvars.Context


class _Line(Line[_Job]):
    """One run's jobs, done one by one: two uploads to one name end in the later one."""

    def __init__(self, run_id: str, client: "MlflowClient") -> None:
        self.run_id = run_id
        self.client = client
        super().__init__(f"uploads-{run_id[:8]}", self._upload)

    def _upload(self, job: _Job) -> None:
        reason = _tried(job)
        if reason:
            LOG.error("not uploaded to run %s: %s: %s", self.run_id, job.name, reason)
            with _lock:
                _failures.setdefault(self.run_id, []).append({"path": job.name, "reason": reason})


_lock = threading.Lock()
_lines: dict[str, _Line] = {}
_failures: dict[str, list[dict[str, str]]] = {}


def _tell_failures(line: _Line) -> None:
    """Write on the run what did not come."""
    with _lock:
        failures = list(_failures.get(line.run_id, ()))
    if failures:
        shown = failures[:FAILURES_IN_TAG]
        if rest := len(failures) - len(shown):
            shown = [*shown, {"path": f"and {rest} more", "reason": "see the log"}]
        line.client.set_tag(line.run_id, tags.UPLOADS_FAILED, json.dumps(shown, ensure_ascii=False))


def _tried(job: _Job) -> str:
    """Do a job; return why it cannot be done, or nothing."""
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            job.context.copy().run(job.call)
        except FileNotFoundError as error:
            return f"FileNotFoundError: {error}"[:REASON_CHARACTERS]  # waiting brings no file back
        except Exception as error:  # noqa: BLE001 - each is reported, none ends the line
            reason = f"{type(error).__name__}: {error}"[:REASON_CHARACTERS]
            if attempt == ATTEMPTS:
                return reason
            LOG.info("attempt %d of %d: %s: %s", attempt, ATTEMPTS, job.name, reason)
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            return ""
    return ""


def _drain() -> None:
    for run_id in list(_lines):
        try:
            wait(run_id, seconds=_patience())
        except Exception as error:  # noqa: BLE001 - the others' turn comes all the same
            LOG.error("run %s: %s", run_id, error)  # noqa: TRY400


def _forget() -> None:
    """Leave to the parent what is the parent's: its threads do not live in a forked child."""
    global _lock  # noqa: PLW0603 - the parent may hold it for ever
    _lock = threading.Lock()
    _lines.clear()
    _failures.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
# Before boto3's thread pools close, which is when the main thread ends, ahead of all atexit functions:
# an upload that begins later fails. concurrent.futures registers itself in the same way.
getattr(threading, "_register_atexit", atexit.register)(_drain)
