"""Restores the newest backup beside the live database, compares both, measures, and removes what it made."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError

from bad_input import BadInputError
from drill.instance import RestoredInstance
from drill.login import RestoredLogin
from drill.names import DrillNames, find_drill
from drill.preflight import preflight_faults
from drill.remains import FAILURES, DrillRemains
from drill.report import tell
from drill.tasks import DrillTasks
from identity import IdentityError, caller_arn
from stack_outputs import read_outputs

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
SAMPLES = range(1, 1001)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 all equal, 1 not, 2 bad input, 130 interrupted."""
    options = _options(arguments)
    try:
        names, session, caller = _checked(options)
        drill = Drill(session, names, caller)
        if options.dry_run:
            drill.plan()
            return DONE
        return drill.run(options.samples)
    except BadInputError as error:
        return _fail(f"nothing was begun:\n{error}", BAD_INPUT)
    except FAILURES as error:
        return _fail(f"nothing was begun: {error}", FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)


class Drill:
    """One drill; what earlier ones left behind goes first."""

    def __init__(self, session: boto3.Session, names: DrillNames, caller: str) -> None:
        self._names = names
        self._caller = caller
        self._instances = RestoredInstance(session.client("rds"), names, _tell)
        self._login = RestoredLogin(session.client("iam"), names)
        self._tasks = DrillTasks(session.client("ecs"), session.client("logs"), names, _tell)
        self._remains = DrillRemains(names, self._instances, self._login, self._tasks, _tell)

    def plan(self) -> None:
        """Say what a drill would do."""
        for what, _ in self._remains.found():
            print(f"would remove {what}")
        live, names = self._instances.live(), self._names
        print(
            f"would run {names.task_definition}, which asks {names.instance} how far it has come\n"
            f"would restore {names.instance} to a time after that; backups reach "
            f"{live['LatestRestorableTime']:%Y-%m-%d %H:%M:%S} UTC now\n"
            f"would make a {live['DBInstanceClass']} with {live['AllocatedStorage']} GiB of it, "
            f"and let {names.task_role} log in to that as {names.restored_user}\n"
            "would run the task again, with a server on the copy, and compare\n"
            "would delete the copy and take the right away"
        )

    def run(self, samples: int) -> int:
        """Restore, compare, report, remove; return the exit code."""
        _tell("changes begin")
        if code := self._remove():
            return code
        try:
            code = DONE if self._compare(samples) else FAILED
        except FAILURES as error:
            code = _fail(f"the drill failed: {error}", FAILED)
        except KeyboardInterrupt:
            code = _fail("interrupted; removing what it made", INTERRUPTED)
        except BaseException:
            self._remove()
            raise
        return max(code, self._remove())

    def _compare(self, samples: int) -> bool:
        started = datetime.now(UTC)
        newest = self._instances.live()["LatestRestorableTime"]
        asked = self._tasks.run("bound", "bound: ")
        to = self._instances.wait_restorable(datetime.fromisoformat(asked["at"]))
        begun = datetime.now(UTC)
        name = self._instances.restore(to, self._caller)
        _tell(f"RDS restores {self._names.instance} as of {to:%H:%M:%S} UTC into {name}")
        copy = self._instances.wait_available(name)
        self._login.give(copy["DbiResourceId"])
        report = self._tasks.run(
            "compare",
            "report: ",
            RESTORED_HOST=copy["Endpoint"]["Address"],
            RESTORED_PORT=str(copy["Endpoint"]["Port"]),
            RESTORED_TO=to.isoformat(),
            BOUND=str(asked["bound"]),
            SAMPLES=str(samples),
        )
        return tell(report, (started - newest).total_seconds(), begun)

    def _remove(self) -> int:
        """Remove what drills made, and say what is left if that does not come to its end."""
        try:
            faults, code = self._remains.remove(), FAILED
        except KeyboardInterrupt:
            faults, code = ["interrupted while removing what drills made"], INTERRUPTED
        return _fail("\n".join([*faults, self._remains.told()]), code) if faults else DONE


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="restore_drill.py",
        description=__doc__,
        epilog="One drill at a time: the next one removes what an interrupted one left. It takes about half "
        "an hour, most of it RDS's. The live database is only read.",
    )
    outputs = parser.add_mutually_exclusive_group()
    outputs.add_argument(
        "--outputs", metavar="FILE", help="what `pulumi stack output --json` printed; - is standard input"
    )
    outputs.add_argument(
        "--stack", metavar="NAME", help="the Pulumi stack to ask (default: the selected one)"
    )
    parser.add_argument("--profile", metavar="NAME", help="the AWS profile to work with")
    parser.add_argument(
        "--samples", metavar="N", default="20", help="artifacts to read and hash (default: 20)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, change nothing, say the plan"
    )
    return parser.parse_args(arguments)


def _checked(options: argparse.Namespace) -> tuple[DrillNames, boto3.Session, str]:
    """Return what the drill works with.

    Raises:
        BadInputError: with every fault that can be found before anything is changed.
    """
    faults = []
    if not options.samples.isdecimal() or int(options.samples) not in SAMPLES:
        faults.append(f"--samples is {options.samples!r}: must be {SAMPLES.start} to {SAMPLES.stop - 1}")
    else:
        options.samples = int(options.samples)
    try:
        names = find_drill(read_outputs(options.outputs, options.stack))
    except BadInputError as error:
        raise BadInputError([*faults, *error.faults]) from None
    try:
        session = boto3.Session(profile_name=options.profile, region_name=names.region)
        caller = caller_arn(session, source=f"profile {options.profile}" if options.profile else "this shell")
        faults += preflight_faults(session, names, caller, _tell)
    except (IdentityError, BotoCoreError) as error:
        faults.append(str(error))
    else:
        _tell(f"as {caller}")
        if not faults:
            return names, session, caller
    raise BadInputError(faults)


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} restore-drill: {line}", flush=True)


def _fail(reason: str, code: int) -> int:
    print(f"restore-drill: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end by SIGTERM is as orderly as Ctrl-C
    sys.exit(main())
