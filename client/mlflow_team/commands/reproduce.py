"""`mlflow-team reproduce`: run a run again and compare."""

import argparse
import signal
import sys
from pathlib import Path

from mlflow_team.bad_input import BadInputError

SAME, DIFFERENT = 0, 1
BROKEN = 3
INTERRUPTED = 130


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "reproduce",
        help="run a run again and compare the metrics",
        description="Checks out the run's commit beside yours, applies what was not committed, builds its"
        " environment, checks its inputs, runs its command and compares. Exit code 0: the same within the"
        " tolerance; 1: it differs; 2: it cannot be run again, nothing was run; 3: it was run and failed.",
    )
    parser.add_argument("run_id", metavar="RUN", help="the run's id")
    parser.add_argument("--dry-run", action="store_true", help="print the plan, and what stands against it")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="a clone that has its commit (default: .)",
    )
    parser.add_argument(
        "--tolerance", default="1e-6", metavar="X", help="by which part metrics may differ (default: 1e-6)"
    )
    parser.add_argument("--here", action="store_true", help="use this Python and its packages as they are")
    parser.add_argument("--keep", action="store_true", help="leave the checkout and environment there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan, run and compare.

    Raises:
        BadInputError: there is no such run, or it cannot be run again.
    """
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds, which --help does not need
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    from mlflow_team import reproduction, reproduction_plan  # noqa: PLC0415 - same

    tolerance = reproduction.check_tolerance(options.tolerance)
    client = MlflowClient()
    try:
        original = client.get_run(options.run_id)
    except MlflowException as error:
        raise BadInputError([f"RUN is {options.run_id!r}: {error.message}"]) from None
    packages = None if options.here else reproduction.packages(client, options.run_id)
    plan = reproduction_plan.of(original, options.repository, packages, here=options.here)
    print(plan.text(), flush=True)
    if plan.obstacles:
        raise BadInputError(plan.obstacles)
    if options.dry_run:
        return SAME
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it leaves as little behind as Ctrl-C
    try:
        again, metrics = reproduction.reproduce(
            client, original, plan, tolerance=tolerance, keep=options.keep
        )
    except reproduction.ReproductionError as error:
        print(f"mlflow-team: {error}", file=sys.stderr)
        return BROKEN
    except KeyboardInterrupt:
        print("mlflow-team: interrupted, checkout and environment are removed unless --keep", file=sys.stderr)
        return INTERRUPTED
    for each in metrics:
        now = "missing" if each.now is None else f"{each.now:.8g}"
        print(f"  {'same' if each.same else 'DIFFERENT':<10}{each.name}  {each.then:.8g} -> {now}")
    print(f"run {again.info.run_id} repeats {original.info.run_id}")
    return SAME if all(each.same for each in metrics) else DIFFERENT
