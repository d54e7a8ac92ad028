"""Sends what dead processes have left on this machine, and ends the runs that they could not end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from mlflow.protos import service_pb2

from mlflow_team import tags
from mlflow_team.console import left_behind as consoles

from . import folder, heartbeat
from .delivery import Delivery
from .identities import LOCAL, Identities
from .journal import Journal
from .lock import BusyError
from .reach import AwayError, Reach, RefusedError, innermost
from .record import CREATE_RUN, SET_TAG, UPDATE_RUN, Record, twins
from .server import Server

# Without any progress for so long, the rest stays where it is.
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS, ASK_AGAIN_SECONDS = 0.1, 0.5
FATE = "the process died on {} without a word: SIGKILL, no memory left, or a lost machine"


@dataclass(kw_only=True)
class Replayed:
    """What became of a run's journals; counts are of values."""

    run_id: str
    local_id: str = ""
    sent: int = 0
    spooled: int = 0
    lost: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    waits_for: str = ""


def replay(say: Callable[[str], None]) -> list[Replayed]:
    """Send everything that no living process owns; return what became of it, run by run.

    Args:
        say: takes a line on how far it is.
    """
    journals, results = [], []
    for path in folder.journals():
        try:
            journals.append(Journal.open(path))
        except BusyError:
            say(f"{path.name.partition('.')[0]}: its process lives, and sends by itself")
        except (OSError, ValueError) as error:
            say(f"{path}: cannot be read: {error}")
            results.append(Replayed(run_id=path.name.partition(".")[0], waits_for=str(error)))
    places = dict.fromkeys((each.header.tracking_uri, each.header.workspace) for each in journals)
    for uri, workspace in places:
        here = [
            each for each in journals if (each.header.tracking_uri, each.header.workspace) == (uri, workspace)
        ]
        results += _replay_to(uri, workspace, here, say)
    for place in (folder.chosen(), folder.instead()):
        for about, file in consoles.left_behind(place):
            results.append(_console(about, file))
    return results


def _console(about: consoles.About, file: Path) -> Replayed:
    """Send what a script printed whose process died before it could."""
    mlflow.set_tracking_uri(about.tracking_uri)
    if about.workspace:
        mlflow.set_workspace(about.workspace)
    run_id = Identities(folder.chosen()).resolve(about.run_id)
    result = Replayed(run_id=run_id, local_id="" if run_id == about.run_id else about.run_id)
    try:
        mlflow.MlflowClient().log_artifact(run_id, str(file))
    except Exception as error:  # noqa: BLE001 - it stays where it is, whatever the reason
        result.spooled, result.waits_for = 1, innermost(error)
    else:
        consoles.forget(file)
        result.sent = 1
    return result


def _replay_to(
    uri: str, workspace: str | None, journals: list[Journal], say: Callable[[str], None]
) -> list[Replayed]:
    from mlflow_team.tracking_store import rest  # noqa: PLC0415 - it loads this package

    mlflow.set_tracking_uri(uri)  # which the login is for
    if workspace:
        mlflow.set_workspace(workspace)
    server, identities = Server(rest(uri), Reach()), Identities(folder.chosen())
    for local, real in (known for journal in journals for known in journal.state.real.items()):
        if identities.real(local) is None:
            identities.learn(local, real)
    deliveries = [Delivery(journal, server, identities, again=True) for journal in journals]
    unsure = _end_all(deliveries, server)
    _send(deliveries, say)
    results: dict[str, Replayed] = {}
    for delivery in deliveries:
        journal, state = delivery.journal, delivery.journal.state
        known = LOCAL.fullmatch(journal.header.run_id)
        result = results.setdefault(
            delivery.run_id, Replayed(run_id=delivery.run_id, local_id=known[0] if known else "")
        )
        delivery.mark(spooled=journal.waiting if journal.header.artifacts else 0)
        result.sent += state.sent
        result.spooled += journal.waiting
        result.lost += state.lost
        for reason, count in state.why.items():
            result.reasons[reason] = result.reasons.get(reason, 0) + count
        why_unsure = unsure.get(journal.folder, "")
        result.waits_for = result.waits_for or delivery.reason or why_unsure
        journal.close(remove=not (journal.waiting or state.untold or why_unsure))
    return list(results.values())


def _send(deliveries: list[Delivery], say: Callable[[str], None]) -> None:
    moved = told = time.monotonic()
    while (waiting := sum(each.journal.waiting for each in deliveries)) and (
        time.monotonic() - moved < PATIENCE_SECONDS
    ):
        for delivery in deliveries:
            while delivery.not_before <= time.monotonic() and delivery.step():
                moved = time.monotonic()
        if time.monotonic() - told > 2:  # noqa: PLR2004 - what people wait for without a word
            told = time.monotonic()
            reasons = {each.reason for each in deliveries if each.reason}
            say(f"{waiting:,} values left{': ' if reasons else ''}{'; '.join(sorted(reasons))}")
        time.sleep(PAUSE_SECONDS)


def _end_all(deliveries: list[Delivery], server: Server) -> dict[Path, str]:
    """End what must be ended; return of which journals the server could not be asked, and why."""
    unsure: dict[Path, str] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    for delivery in deliveries:
        while True:
            try:
                _end(delivery, server)
            except AwayError as error:
                if time.monotonic() < until:
                    time.sleep(ASK_AGAIN_SECONDS)
                    continue
                unsure[delivery.journal.folder] = str(error)
            break
    return unsure


def _end(delivery: Delivery, server: Server) -> None:
    """Say that a run is over whose process died, unless somebody else has taken it over or ended it."""
    journal = delivery.journal
    header = journal.header
    ended = journal.state.ended
    if not header.owner or header.artifacts or (ended and not journal.state.end_at_risk):
        return
    if not LOCAL.fullmatch(delivery.run_id):
        try:
            run = server.run(delivery.run_id)
        except RefusedError:
            return
        if run.info.status != service_pb2.RUNNING or _lives(run, journal, server.reach.clock_ahead):
            return
    elif not any(entry.record and entry.record.api == CREATE_RUN for entry in journal.pending()):
        # It died while the server was asked for the run, and nobody has learnt of one.
        journal.append(twins(header.run_id, header.experiment_id, header.local_id))
        return
    last = max(path.stat().st_mtime for path in journal.folder.iterdir() if path.name != "lock")
    run_id = header.run_id
    ends = {"run_id": run_id, "status": ended or "KILLED", "end_time": int(last * 1000)}
    if not ended:
        fate = {"run_id": run_id, "key": tags.ERROR, "value": FATE.format(header.host)}
        journal.append(Record(api=SET_TAG, body=fate))
    journal.append(Record(api=UPDATE_RUN, body=ends))
    if header.local_id:
        journal.append(twins(run_id, header.experiment_id, header.local_id))


def _lives(run: Any, journal: Journal, clock_ahead: float) -> bool:
    """Tell whether another process says that it works on the run."""
    for tag in run.data.tags:
        if tag.key == tags.HEARTBEAT:
            at, every, *writer = tag.value.split()
            fresh = time.time() + clock_ahead - float(at) < heartbeat.MISSED * float(every)
            return fresh and writer != [journal.name]
    return False
