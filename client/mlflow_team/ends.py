"""How a script's runs really ended.

MLflow calls a run finished when its script died of an error outside a `with`, failed when a person pressed
Ctrl-C, and running for ever after a SIGTERM.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

from . import arguments, tags

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
# What of the last line is kept: MLflow's list shows a tag whole.
LONGEST = 500
# After which a SIGTERM comes again that came while Python drops whatever is raised.
AGAIN_SECONDS = 0.01


class TerminatedError(SystemExit):
    """SIGTERM, where it would have ended the process at once: `with` blocks and exit handlers still run."""

    def __init__(self, where: FrameType | None) -> None:
        super().__init__(128 + signal.SIGTERM)  # as a shell tells such an end
        self.stack = "".join(traceback.format_stack(where))  # Python drops a SystemExit's own traceback

    def __str__(self) -> str:
        return "SIGTERM"


class _Death:
    """Of what this process dies, once it does."""

    def __init__(self) -> None:
        self.cause: BaseException | None = None
        self.watched = False
        self.begun: dict[str, None] = {}  # runs of this process that have not ended, in order


_death = _Death()


def begun(run_id: str) -> None:
    """Remember a run that this process has created: MLflow may not, if a Ctrl-C comes now."""
    _death.begun[run_id] = None


def over(run_id: str, _status: str) -> None:
    """Forget a run that has ended."""
    _death.begun.pop(run_id, None)


def watch(_run_id: str) -> None:
    """Notice from now on of what the process dies; other hooks and handlers stay as they are."""
    if _death.watched:
        return
    _death.watched = True
    atexit.register(_end_interrupted)
    before = sys.excepthook

    def uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        _death.cause = error
        before(kind, error, where)

    sys.excepthook = uncaught
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
        sys.unraisablehook = _raising_again(sys.unraisablehook)
        if hasattr(os, "register_at_fork"):
            # A worker of a data loader dies at once, as its parent expects, and its parent's runs live on.
            os.register_at_fork(after_in_child=_forget)


def terminated() -> bool:
    """Tell whether a SIGTERM is ending this process."""
    return isinstance(_death.cause, TerminatedError)


def status(told: str) -> str:
    """Return how a run ends that MLflow says ended so."""
    dying = _death.cause
    error = dying or sys.exc_info()[1]
    if told == FINISHED and dying is None:
        return told
    if told in (FINISHED, FAILED):
        return KILLED if isinstance(error, KeyboardInterrupt | TerminatedError) else FAILED
    return told


def tell(run_id: str, ended: str) -> None:
    """Put the error's last line on a run that has failed or was killed."""
    error = _death.cause or sys.exc_info()[1]
    if error is None or ended == FINISHED:
        return
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package

    MlflowClient().set_tag(run_id, tags.ERROR, last_line(error))


def unprinted(ended: str) -> str:
    """Return the traceback of what ends a run so, unless Python has printed it; it may do so later."""
    error = _death.cause or sys.exc_info()[1]
    if isinstance(error, TerminatedError):
        return f"Traceback (most recent call last):\n{error.stack}{error}\n"
    if error is None or ended == FINISHED or error is _death.cause:
        return ""
    return "".join(traceback.format_exception(error))


def last_line(error: BaseException) -> str:
    """Return what a traceback ends in, without secrets."""
    name, *rest = "".join(traceback.format_exception_only(error)).strip().splitlines()
    line = " ".join([name, *rest]) if not isinstance(error, TerminatedError) else str(error)
    return arguments.without_secrets(line)[:LONGEST]


def _terminated(_number: int, frame: FrameType | None) -> NoReturn:
    # Once: whoever sends it again means it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _death.cause = TerminatedError(frame)
    raise _death.cause


def _raising_again(before: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a hook that lets no finalizer swallow a SIGTERM: GitPython's, for one."""

    def unraisable(dropped: Any) -> None:
        if not isinstance(dropped.exc_value, TerminatedError):
            before(dropped)
            return
        _death.cause = None
        signal.signal(signal.SIGTERM, _terminated)
        again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
        again.daemon = True
        again.start()

    return unraisable


def _end_interrupted() -> None:
    """End what a signal has torn out of MLflow's hands: created and not yet active, or active no more."""
    from mlflow import MlflowClient  # noqa: PLC0415 - it loads this package
    from mlflow.tracking.fluent import _active_run_stack  # noqa: PLC0415

    stacks = _active_run_stack.get_all_thread_values().values()
    active = {run.info.run_id for stack in stacks for run in stack}
    for run_id in reversed([each for each in _death.begun if each not in active]):
        with contextlib.suppress(Exception):
            MlflowClient().set_terminated(run_id, KILLED)


def _forget() -> None:
    _death.begun.clear()
    if signal.getsignal(signal.SIGTERM) is _terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
