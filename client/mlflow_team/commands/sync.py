"""`mlflow-team sync`: sends what scripts could not send before they ended."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_team.spool.left_behind import Replayed

DONE, LEFT = 0, 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "sync",
        help="send what scripts of this machine could not send before they ended",
        description="Exit code 0: all of it is on the server, 1: something waits still, or is lost.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replay every journal that no living process owns."""
    from mlflow_team.spool import left_behind  # noqa: PLC0415 - heavy

    results = left_behind.replay(lambda line: print(f"mlflow-team: {line}", file=sys.stderr, flush=True))
    if options.json:
        print(json.dumps([asdict(result) for result in results], ensure_ascii=False, indent=2))
    else:
        print("\n".join(map(_line, results)) or "nothing waits on this machine")
    return LEFT if any(result.spooled or result.lost or result.waits_for for result in results) else DONE


def _line(result: "Replayed") -> str:
    was = f" (was {result.local_id})" if result.local_id not in ("", result.run_id) else ""
    text = f"run {result.run_id}{was}: {result.sent:,} sent, {result.spooled:,} spooled, {result.lost:,} lost"
    if result.reasons:
        text += f"; {'; '.join(f'{count:,} {reason}' for reason, count in result.reasons.items())}"
    return text + (f"; waits: {result.waits_for}" if result.waits_for else "")
