"""Restores the newest backup beside the live database, compares both, measures, and removes what it made."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bad_input import BadInputError
from drill_names import DrillNames, find_drill
from drill_preflight import preflight_faults
from drill_task import DrillTasks
from identity import IdentityError, caller_arn
from restored_instance import BY_TAG, DrillError, RefusedError, RestoredInstance, tags
from restored_login import RestoredLogin
from stack_outputs import read_outputs

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
SAMPLES = range(1, 1001)
# The others' rows are compared like these, and told as one sum.
NAMED = ("experiments", "runs", "metrics", "params", "tags", "registered_models", "model_versions")


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
    except (DrillError, RefusedError, ClientError, BotoCoreError) as error:
        return _fail(f"the drill failed: {error}", FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted; what is left of it, the next drill removes", INTERRUPTED)


class Drill:
    """One drill, and what earlier ones left behind."""

    def __init__(self, session: boto3.Session, names: DrillNames, caller: str) -> None:
        self._names = names
        self._caller = caller
        self._instances = RestoredInstance(session.client("rds"), names, _tell)
        self._login = RestoredLogin(session.client("iam"), names)
        self._tasks = DrillTasks(session.client("ecs"), session.client("logs"), names, _tell)

    def plan(self) -> None:
        """Say what a drill would do."""
        for instance in self._instances.leftovers():
            print(f"would delete {_left(instance)}")
        for task in self._tasks.leftovers():
            print(f"would stop {task}")
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
        """Restore, compare, remove, report; return the exit code."""
        _tell("changes begin")
        self._remove()
        started = datetime.now(UTC)
        newest = self._instances.live()["LatestRestorableTime"]
        name = ""
        try:
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
        finally:
            self._remove(name)
        return _report(report, (started - newest).total_seconds(), begun)

    def _remove(self, made: str = "") -> None:
        """Remove what this drill made, or what others left."""
        for task in self._tasks.leftovers():
            self._tasks.stop(task)
            _tell(f"stopped {task}")
        self._login.take()
        for instance in self._instances.leftovers():
            name = instance["DBInstanceIdentifier"]
            self._instances.delete(name)
            _tell(f"RDS deletes {name if name == made else _left(instance)}")


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


def _report(report: dict[str, Any], age: float, begun: datetime) -> int:
    """Say what was found, and return the exit code."""
    tables = {table["name"]: table for table in report["tables"]}
    print(
        f"\n{'table':<20}{'rows':>12}{'changed since':>15}{'removed since':>15}{'lost':>8}{'different':>11}"
    )
    others: dict[str, Any] = {"name": f"{len(set(tables) - set(NAMED))} others"}
    for key in ("rows", "changed", "removed", "lost", "different"):
        others[key] = sum(table[key] for name, table in tables.items() if name not in NAMED)
    for table in [*(tables[name] for name in NAMED if name in tables), others]:
        print(
            f"{table['name']:<20}{table['rows']:>12,}{table['changed']:>15,}{table['removed']:>15,}"
            f"{table['lost']:>8,}{table['different']:>11,}"
        )
    answers, artifacts = report["answers"], report["artifacts"]
    print(f"\nthe server on the copy gave {answers} answers, and {artifacts} artifacts were read")
    if not artifacts:
        print("no artifact was read: no run that had ended then has any")
    served = datetime.fromisoformat(report["servedAt"])
    print(f"RPO: the newest backup was {_span(age)} old when the drill began")
    print(f"RTO: {_span((served - begun).total_seconds())} from asking RDS to a server that answered")
    for fault in report["faults"]:
        print(f"DIFFERENT {fault}", file=sys.stderr)
    print("equal" if not report["faults"] else f"{len(report['faults'])} differences", flush=True)
    return FAILED if report["faults"] else DONE


def _span(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _left(instance: dict[str, Any]) -> str:
    by = tags(instance).get(BY_TAG, "nobody knows whom")
    return f"{instance['DBInstanceIdentifier']}, left by a drill of {by}"


def _tell(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} restore-drill: {line}", flush=True)


def _fail(reason: str, code: int) -> int:
    print(f"restore-drill: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end by SIGTERM is as orderly as Ctrl-C
    sys.exit(main())
