"""`mlflow-team stale`: the runs that say they run, although nothing has been heard of them."""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .import_runs import NO_LINKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

    from mlflow_team.last_heartbeat import LastHeartbeat

DONE, STALE = 0, 1
RUNNING = "attributes.status = 'RUNNING'"
FATE = "no heartbeat since {}; ended by mlflow-team stale"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A run that says that it runs.

    Attributes:
        heartbeat: the last one, UTC; none for runs that never had one.
        state: `stale`, `ended` by this command, or `unknown` when it has no heartbeat.
    """

    experiment: str
    run_id: str
    name: str
    start: str
    heartbeat: str | None
    state: str


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "stale",
        help="list the runs that say they run, although their heartbeat has stopped",
        description="Stale is a run that has missed four heartbeats by the server's clock. Runs that never"
        " had one (of plain MLflow, or switched off) are listed as unknown and left alone. A process that was"
        " only cut off sets its run's true end when it is back."
        " Exit code 0: no run is stale, 1: at least one still is.",
    )
    parser.add_argument(
        "--experiment",
        metavar="E",
        action="append",
        help="name or id, may come several times (default: all)",
    )
    parser.add_argument(
        "--end", action="store_true", help="end the stale ones as killed, at their last heartbeat"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look at every run that has not ended.

    Raises:
        BadInputError: there is no such experiment.
    """
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - heavy

    os.environ[NO_LINKS] = "true"
    found = list(_running(MlflowClient(), options.experiment, end=options.end))
    if options.json:
        print(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2))
    else:
        for each in sorted(found, key=lambda each: each.heartbeat is None):
            print(
                f"{each.experiment}  {each.name}  {each.run_id}  {each.start}  {each.state}"
                + (f", last heartbeat {each.heartbeat}" if each.heartbeat else ": it never had a heartbeat")
            )
    states = [each.state for each in found]
    counts = (f"{states.count(state)} {state}" for state in ("stale", "ended", "unknown"))
    print(f"runs that say they run, and do not: {', '.join(counts)}", file=sys.stderr)
    return STALE if "stale" in states else DONE


def _running(client: "MlflowClient", wanted: list[str] | None, *, end: bool) -> "Iterator[Found]":
    from mlflow_team import experiments, server_clock  # noqa: PLC0415 - only here
    from mlflow_team.last_heartbeat import LastHeartbeat  # noqa: PLC0415 - same

    places = [experiments.find(client, each) for each in wanted] if wanted else experiments.every(client)
    now = server_clock.now()
    for place in places:
        for each in experiments.runs(client, place.experiment_id, RUNNING):
            beat = LastHeartbeat.of(each)
            if beat is not None and beat.fresh(now):
                continue
            state = "unknown" if beat is None else "stale"
            if beat is not None and end:
                if not _end(client, each, beat):
                    continue
                state = "ended"
            yield Found(
                experiment=place.name,
                run_id=each.info.run_id,
                name=each.info.run_name or "",
                start=_time(each.info.start_time / 1000),
                heartbeat=_time(beat.at) if beat else None,
                state=state,
            )


def _end(client: "MlflowClient", run: "Run", beat: "LastHeartbeat") -> bool:
    """End a run, unless it has come back or ended meanwhile."""
    from mlflow_team import tags  # noqa: PLC0415 - only here

    run_id = run.info.run_id
    newest = client.get_run(run_id)
    if newest.info.status != run.info.status or type(beat).of(newest) != beat:
        return False
    client.set_tag(run_id, tags.ERROR, FATE.format(_time(beat.at)))
    client.set_terminated(run_id, "KILLED", int(beat.at * 1000))
    return True


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
