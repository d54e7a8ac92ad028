"""Brings a stack to this checkout's MLflow: snapshot, pause, migration, `pulumi up`, smoke tests.

Run it again after whatever interrupted it: it goes on where the stack is.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bad_input import BadInputError
from identity import IdentityError, caller_arn
from reachability import UnreachableError, address_fault
from stack_outputs import read_outputs
from upgrading.error import UpgradeError
from upgrading.names import find_upgrade
from upgrading.stack import Upgrade

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 a step failed, 2 bad input, 130 interrupted."""
    options = _options(arguments)
    try:
        upgrade = _checked(options)
    except BadInputError as error:
        return _fail(f"nothing was begun:\n{error}", BAD_INPUT)
    try:
        if options.dry_run:
            _show(upgrade.plan())
        elif options.back:
            upgrade.go_back()
        else:
            upgrade.run()
    except (UpgradeError, UnreachableError, BadInputError, ClientError, BotoCoreError) as error:
        return _fail(f"{error}\nmend it and run it again, or go back: {upgrade.way_back}", FAILED)
    except KeyboardInterrupt:
        return _fail(f"interrupted; run it again to go on, or go back: {upgrade.way_back}", INTERRUPTED)
    return DONE


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="upgrade.py",
        description=__doc__,
        epilog="Pulumi and AWS are entered as this shell enters them. What clients log meanwhile waits in "
        "their spools.",
    )
    parser.add_argument("--stack", metavar="NAME", help="the Pulumi stack (default: the selected one)")
    parser.add_argument(
        "--smoke-environment",
        metavar="FILE",
        required=True,
        help="the environment file that onboarding wrote for a writer: the smoke tests run as that one",
    )
    parser.add_argument(
        "--adopting-team",
        metavar="TEAM",
        help="who gets what an MLflow without workspaces kept, which nobody would see otherwise",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="check everything, change nothing, say the plan")
    mode.add_argument(
        "--back", action="store_true", help="start the servers as they were, if no table is migrated yet"
    )
    return parser.parse_args(arguments)


def _checked(options: argparse.Namespace) -> Upgrade:
    """Return the upgrade, once nothing is wrong that can be found before anything is changed.

    Raises:
        BadInputError: with every fault.
    """
    faults, team = [], {}
    try:
        team = _environment(options.smoke_environment)
    except BadInputError as error:
        faults += error.faults
    try:
        names = find_upgrade(read_outputs(None, options.stack))
    except BadInputError as error:
        raise BadInputError([*faults, *error.faults]) from None
    if options.adopting_team and options.adopting_team not in names.teams:
        known = ", ".join(names.teams) or "no teams"
        faults.append(f"--adopting-team is {options.adopting_team!r}: the stack has {known}")
    try:
        session = boto3.Session(region_name=names.region)
        _tell(f"as {caller_arn(session, source='this shell')}")
        upgrade = Upgrade(
            session,
            names,
            _tell,
            stack=options.stack,
            team=team,
            adopting_team=options.adopting_team,
        )
        faults += upgrade.faults()
    except (IdentityError, UpgradeError, ClientError, BotoCoreError) as error:
        faults.append(str(error))
    else:
        if not faults:
            return upgrade
    raise BadInputError(faults)


def _environment(file: str) -> dict[str, str]:
    """Read an environment file of onboarding's.

    Raises:
        BadInputError: it is none.
    """
    try:
        words = shlex.split(Path(file).expanduser().read_text(), comments=True)
    except (OSError, ValueError) as error:
        raise BadInputError([f"--smoke-environment cannot be read: {error}"]) from None
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    name = "MLFLOW_TRACKING_URI"
    if fault := address_fault(f"{name} in {file}", variables.get(name, "")):
        raise BadInputError([f"{fault}; scripts/onboard.py writes the file"])
    return variables


def _show(plan: list[tuple[str, str]]) -> None:
    for number, (step, way_back) in enumerate(plan, start=1):
        print(f"{number}. would {step}\n   the way back: {way_back}")


def _tell(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} upgrade: {line}", flush=True)


def _fail(reason: str, code: int) -> int:
    print(f"upgrade: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end by SIGTERM is as orderly as Ctrl-C
    sys.exit(main())
