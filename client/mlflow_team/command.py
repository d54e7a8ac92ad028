"""The command `mlflow-team`."""

import argparse
import sys
from collections.abc import Sequence

from . import switches
from .bad_input import BadInputError
from .commands import (
    chat,
    check,
    compare,
    contract,
    export_runs,
    import_runs,
    lineage,
    reproduce,
    stale,
    sync,
    ui,
)

BAD_INPUT = 2
COMMANDS = (ui, lineage, reproduce, contract, check, compare, chat, sync, stale, import_runs, export_runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 not working or not as it should be, 2 bad input."""
    parser = argparse.ArgumentParser(prog="mlflow-team", description="A team's MLflow server on AWS.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    # A person waits for the server's own answer.
    switches.suspend(switches.Piece.SPOOL)
    try:
        return options.run(options)
    except BadInputError as error:
        print("\n".join(f"mlflow-team: {fault}" for fault in error.faults), file=sys.stderr)
        return BAD_INPUT
