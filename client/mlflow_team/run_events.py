"""What happens by itself when a run starts and ends."""

import logging
import threading
from collections.abc import Callable, Mapping
from importlib import import_module

from . import switches, tags
from .switches import Piece

LOG = logging.getLogger("mlflow_team")

# Piece that can be switched off, module, function; in this order.
CREATED = ((Piece.ENDS, ".ends", "begun"), (Piece.CONSOLE, ".console.capture", "begin"))
WATCHED = ((Piece.ENDS, ".ends", "watch"), (Piece.CONSOLE, ".console.capture", "resume"))
STARTED = ((Piece.PROVENANCE, ".provenance", "store"),)
ENDING = (
    (Piece.ENDS, ".ends", "tell"),
    (Piece.CONSOLE, ".console.capture", "end"),
    (None, ".uploads", "before_end"),
    (Piece.CONTRACT, ".contract", "mark"),
)
ENDED = ((Piece.ENDS, ".ends", "over"), (Piece.NOTIFY, ".chat.notify", "run_ended"))

# mlflow.utils.mlflow_tags.MLFLOW_SOURCE_TYPE, which every MLflow process would load for it.
STARTED_BY_SCRIPT = "mlflow.source.type"

_lock = threading.Lock()
_watched: set[str] = set()
_warned: set[str] = set()


def started(run_id: str, run_tags: Mapping[str, str]) -> None:
    """Begin to record a run, if a script made it its active one: MLflow tags it, an import does not."""
    if STARTED_BY_SCRIPT in run_tags and tags.IMPORT_KEY not in run_tags:
        _each(CREATED, run_id)
        resumed(run_id)
        _each(STARTED, run_id)


def resumed(run_id: str) -> None:
    """Care for the run's end: this process works on it."""
    with _lock:
        _watched.add(run_id)
    _each(WATCHED, run_id)


def truly(run_id: str, status: str) -> str:
    """Return how a run ends, where MLflow cannot know it."""
    if run_id not in _watched or not switches.on(Piece.ENDS):
        return status
    from . import ends  # noqa: PLC0415 - only where a run ends

    return ends.status(status)


def ending(run_id: str, status: str) -> None:
    """Do what must be on the run before its end is told."""
    if run_id in _watched:
        _each(ENDING, run_id, status)


def ended(run_id: str, status: str) -> None:
    """Do what follows a run's end; a second end is none."""
    with _lock:
        known = run_id in _watched
        _watched.discard(run_id)
    if known:
        _each(ENDED, run_id, status)


def quietly(what: str, call: Callable[[], object]) -> None:
    """Call, and let no failure reach the script: it becomes one warning in this process."""
    try:
        call()
    except Exception as error:
        with _lock:
            first = what not in _warned
            _warned.add(what)
        if first:
            LOG.warning("%s failed, the run goes on without it: %s: %s", what, type(error).__name__, error)
            LOG.debug("%s", what, exc_info=error)


def _each(pieces: tuple[tuple[Piece | None, str, str], ...], *arguments: str) -> None:
    for piece, module, function in pieces:
        if piece is None or switches.on(piece):
            quietly(
                module.lstrip("."),
                lambda module=module, function=function: getattr(
                    import_module(module, __package__), function
                )(*arguments),
            )
