"""Tells the team's chat of a run: at any moment, and by itself when a run ends."""

import atexit
import contextvars
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_team import tags
from mlflow_team.background import Line
from mlflow_team.bad_input import BadInputError

from . import address, message, webhook

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LOG = logging.getLogger("mlflow_team")
PARENT = "mlflow.parentRunId"
LAST_SECONDS = 20.0  # what a process waits at its end for messages that are on their way
MOST_WAITING = 100


def notify(run: "str | Run | None" = None) -> None:
    """Tell the team's chat how a run stands; returns at once, and does nothing where no chat is set up.

    One message is sent per run and state. What does not arrive is an error in the log.

    Args:
        run: a run or its id; the active one by default.

    Raises:
        ValueError: no run is active and none was named.
    """
    import mlflow  # noqa: PLC0415 - it loads this package

    if run is None:
        run = mlflow.active_run()
        if run is None:
            raise ValueError("no run is active: mlflow.start_run() first, or notify(run_id)")
    _submit(run if isinstance(run, str) else run.info.run_id)


def run_ended(run_id: str, status: str) -> None:  # noqa: ARG001 - it is read anew, with the end's time
    """Tell of a run that has ended; called by itself, and silent for a run that another one contains."""
    _submit(run_id, by_itself=True)


def wait(seconds: float = LAST_SECONDS) -> bool:
    """Wait until each message has been sent or given up; False when the time is over before."""
    return _line.wait(seconds)


@dataclass(frozen=True, kw_only=True)
class _Told:
    client: "MlflowClient"
    run_id: str
    by_itself: bool
    context: contextvars.Context  # holds the workspace


def _do(told: _Told) -> None:
    try:
        told.context.run(_tell, told)
    except (webhook.ChatError, BadInputError) as error:
        LOG.error("run %s: the chat was not told: %s", told.run_id, error)  # noqa: TRY400 - for people
    except Exception as error:  # noqa: BLE001 - its text and its trace may hold the address
        why = type(error).__name__
        LOG.error("run %s: the chat was not told: %s", told.run_id, why)  # noqa: TRY400 - same


def _new() -> Line[_Told]:
    """Return what waits to be told, by one thread: a slow chat holds up nobody."""
    return Line("mlflow-team-chat", _do)


_line = _new()


def _submit(run_id: str, *, by_itself: bool = False) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package

    if not address.named():
        return
    if len(_line.jobs) > MOST_WAITING:
        LOG.warning("run %s: the chat is not told, %d wait already", run_id, MOST_WAITING)
        return
    context = contextvars.copy_context()
    _line.add(_Told(client=MlflowClient(), run_id=run_id, by_itself=by_itself, context=context))


def _tell(told: _Told) -> None:
    chat = address.of()
    if chat is None:
        return
    run = told.client.get_run(told.run_id)
    if (told.by_itself and PARENT in run.data.tags) or run.data.tags.get(tags.NOTIFIED) == run.info.status:
        return
    webhook.send(chat, message.of(told.client, run))
    told.client.set_tag(told.run_id, tags.NOTIFIED, run.info.status)


def _drain() -> None:
    if not wait():
        LOG.error("%d messages have not reached the chat", len(_line.jobs))


def _forget() -> None:
    """Leave to the parent what is the parent's: its thread does not live in a forked child."""
    global _line  # noqa: PLW0603
    _line = _new()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
# Before boto3's thread pools close, as in uploads.py.
getattr(threading, "_register_atexit", atexit.register)(_drain)
