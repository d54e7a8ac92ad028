"""The account of a run: values sent, still here, lost; a line at its end, a tag when it is incomplete."""

import json
import sys
from typing import Any

from mlflow_team import tags

from .journal import Journal
from .record import LOG_BATCH
from .server import Server

SYNC = "mlflow-team sync"


class Account:
    """Sums over a run's journals in this process, and over those already closed."""

    def __init__(self) -> None:
        self._closed: dict[str, dict[str, int]] = {}

    def add(self, run_id: str, *, sent: int = 0, lost: int = 0) -> None:
        """Count what went another way, or by a journal that is closed."""
        known = self._closed.setdefault(run_id, {"sent": 0, "spooled": 0, "lost": 0})
        known["sent"] += sent
        known["lost"] += lost

    def of(self, run_id: str, journals: list[Journal]) -> dict[str, int]:
        """Return sent, spooled and lost."""
        total = dict(self._closed.get(run_id, {"sent": 0, "spooled": 0, "lost": 0}))
        for journal in journals:
            total["sent"] += journal.state.sent
            total["spooled"] += journal.waiting
            total["lost"] += journal.state.lost
        return total

    def forget(self, run_id: str) -> dict[str, int] | None:
        """Begin anew."""
        return self._closed.pop(run_id, None)


def line(name: str, run_id: str, total: dict[str, int], *, away: str, why: dict[str, int]) -> str:
    """Return what a person is told at the end of a run."""
    text = (
        f"mlflow-team: run {name} ({run_id}): {total['sent']:,} sent, {total['spooled']:,} spooled, "
        f"{total['lost']:,} lost"
    )
    if total["lost"]:
        text += f" ({'; '.join(f'{count:,} {reason}' for reason, count in why.items())})"
    if total["spooled"]:
        text += f"; {away or 'not sent yet'}. When the server is back: {SYNC}"
    return text


def say(text: str) -> None:
    """Tell a person, where the output of the script does not go."""
    print(text, file=sys.stderr, flush=True)


def mark(server: Server, run_id: str, journal: Journal, *, spooled: int) -> None:
    """Write on the run what of it is not there, and take that back once it is.

    Raises:
        AwayError, RefusedError: as the server does.
    """
    state = journal.state
    untold = state.untold
    if not untold and bool(spooled) == state.marked:
        return
    told: dict[str, Any] = {"lost": 0, "why": {}}
    for tag in server.run(run_id).data.tags:
        if tag.key == tags.INCOMPLETE:
            told |= json.loads(tag.value)
    for reason, count in untold.items():
        told["lost"] += count
        told["why"][reason] = told["why"].get(reason, 0) + count
    told.pop("spooled", None)
    if spooled:
        told["spooled"] = spooled
    why = dict(state.why)
    if told["lost"] or spooled:
        value = json.dumps(told, ensure_ascii=False)
        server.once(LOG_BATCH, {"run_id": run_id, "tags": [{"key": tags.INCOMPLETE, "value": value}]})
    elif state.marked:
        server.once("DeleteTag", {"run_id": run_id, "key": tags.INCOMPLETE})
    journal.tell(why, marked=bool(spooled))
