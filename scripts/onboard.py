"""Joins a team: writes a client's AWS profile and environment file, then logs a hello run with them."""

import argparse
import importlib.util
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aws_config import CREDENTIAL_SOURCES, Profile, source_fault
from bad_input import BadInputError
from client_files import ClientFiles
from file_change import FileChange
from reachability import address_fault
from stack_outputs import PROJECT, TeamAccess, find_team, read_outputs
from verification import EXPERIMENT, EXPORTED_KEYS, LOGIN, Client, VerificationError, check_role, verify

COMMAND = Path(sys.executable).parent / "mlflow-team"
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 not working, 2 bad input, 130 interrupted."""
    options = _options(arguments)
    try:
        return _leave(options) if options.undo else _join(options)
    except BadInputError as error:
        return _fail(f"nothing was written:\n{error}", BAD_INPUT)
    except VerificationError as error:
        return _fail(f"the files are written, but {error}", FAILED)
    except OSError as error:
        return _fail(f"a file could not be written: {error}; mend it and run again", FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted; run it again, or take it back with --undo", INTERRUPTED)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="onboard.py",
        description=__doc__,
        epilog="Stack outputs come from `pulumi stack output --json`, or ready-made with --outputs. "
        "No secret is written anywhere.",
    )
    parser.add_argument("--team", required=True, help="a name under `teams` in the stack's configuration")
    parser.add_argument("--access", choices=("writer", "reader"), default="writer", help="(default: writer)")
    outputs = parser.add_mutually_exclusive_group()
    outputs.add_argument(
        "--outputs", metavar="FILE", help="what `pulumi stack output --json` printed; - is standard input"
    )
    outputs.add_argument(
        "--stack", metavar="NAME", help="the Pulumi stack to ask (default: the selected one)"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--source-profile", metavar="NAME", help="the AWS profile you have (default: default)"
    )
    source.add_argument(
        "--credential-source", choices=CREDENTIAL_SOURCES, help="use this machine's own role instead"
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="the profile to write (default: mlflow-<team>[-reader])"
    )
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="the server's address from here, as through a tunnel"
    )
    parser.add_argument(
        "--ca-bundle", metavar="FILE", type=_path, help="PEM file that vouches for server and AWS"
    )
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        type=_path,
        help="the environment file to write (default: ./<profile>.env)",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="show the change and write nothing")
    mode.add_argument("--undo", action="store_true", help="take out what this script wrote")
    options = parser.parse_args(arguments)
    reader = "-reader" if options.access == "reader" else ""
    options.profile = options.profile or f"mlflow-{options.team}{reader}"
    options.env_file = options.env_file or _path(f"{options.profile}.env")
    if not options.credential_source:
        options.source_profile = options.source_profile or "default"
    return options


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _join(options: argparse.Namespace) -> int:
    files = _files(options)
    faults = [*_option_faults(options), *files.faults()]
    try:
        team = find_team(read_outputs(options.outputs, options.stack), options.team, options.access)
    except BadInputError as error:
        raise BadInputError([*faults, *error.faults]) from None
    if faults:
        raise BadInputError(faults)
    client = _client(options, team)
    changes = files.join(_profile(options, team), client.variables)
    if options.dry_run:
        print("".join(change.diff() for change in changes) or "onboard: nothing would change\n", end="")
        return DONE
    _tell(f"role: {check_role(client, config=changes[0].after)}")
    _apply(changes)
    exported = [name for name in EXPORTED_KEYS if name in os.environ]
    if exported:
        _tell(f"warning: {', '.join(exported)} in this shell win over any profile; unset them as shown below")
    verify(client, _tell)
    unset = f"unset {' '.join(exported)}; " if exported else ""
    load = f"{unset}set -a; . {_from_here(options.env_file)}; set +a"
    print(f"\nsee it: ({load}; {_from_here(COMMAND)} ui)")
    print(f"train: pip install {_from_here(PROJECT / 'client')}, once, where {LOGIN} is not known yet")
    print(f"take it back: {_undo_command(options)}")
    print(f"next: {load}")
    return DONE


def _leave(options: argparse.Namespace) -> int:
    changes = [change for change in _files(options).leave() if change.before != change.after]
    if faults := [fault for change in changes if (fault := change.fault())]:
        raise BadInputError(faults)
    if not changes:
        _tell(f"nothing to take back: no file has a block of {options.profile}")
    _apply(changes)
    return DONE


def _files(options: argparse.Namespace) -> ClientFiles:
    return ClientFiles.of(options.profile, options.env_file, os.environ)


def _option_faults(options: argparse.Namespace) -> list[str]:
    faults = []
    if importlib.util.find_spec("mlflow_team") is None:
        faults.append(f"this Python lacks the login: {sys.executable} -m pip install {PROJECT / 'client'}")
    if not PROFILE_NAME.fullmatch(options.profile):
        faults.append(
            f"--profile is {options.profile!r}: must be letters, digits, dots, hyphens and underscores"
        )
    if options.tracking_uri is not None:
        faults.append(address_fault("--tracking-uri", options.tracking_uri))
    if options.ca_bundle is not None:
        faults.append(_bundle_fault(options.ca_bundle))
    if options.source_profile:
        faults.append(source_fault(options.profile, options.source_profile))
    return [fault for fault in faults if fault]


def _bundle_fault(bundle: Path) -> str | None:
    try:
        text = bundle.read_text(errors="replace")
    except OSError as error:
        return f"--ca-bundle cannot be read: {error}"
    return None if "BEGIN CERTIFICATE" in text else f"--ca-bundle {bundle} holds no PEM certificate"


def _client(options: argparse.Namespace, team: TeamAccess) -> Client:
    variables = {
        "MLFLOW_TRACKING_URI": (options.tracking_uri or team.tracking_uri).rstrip("/"),
        "MLFLOW_TRACKING_AUTH": LOGIN,
        "MLFLOW_TEAM_STS_REGION": team.region,
        "MLFLOW_WORKSPACE": team.workspace,
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
        "AWS_PROFILE": options.profile,
    }
    if options.access == "writer":
        variables["MLFLOW_TEAM_CHAT_PARAMETER"] = team.chat_parameter
    if bundle := options.ca_bundle:
        variables |= {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(bundle), "AWS_CA_BUNDLE": str(bundle)}
    return Client(
        access=options.access,
        team=team,
        profile=options.profile,
        source_profile=options.source_profile,
        variables=variables,
    )


def _profile(options: argparse.Namespace, team: TeamAccess) -> Profile:
    return Profile(
        name=options.profile,
        role_arn=team.role_arn,
        source_key="source_profile" if options.source_profile else "credential_source",
        source=options.source_profile or options.credential_source,
        region=team.region,
        ca_bundle=options.ca_bundle,
    )


def _apply(changes: Sequence[FileChange]) -> None:
    for change in changes:
        if change.before == change.after:
            _tell(f"{change.path} is as it should be")
            continue
        change.apply()
        verb = "wrote" if change.after else "removed"
        _tell(f"{verb} {change.path}" + (f", as it was: {change.backup}" if change.backup else ""))


def _undo_command(options: argparse.Namespace) -> str:
    return (
        f"{_from_here(Path(sys.executable))} {_from_here(Path(__file__))} --undo --team {options.team} "
        f"--profile {options.profile} --env-file {_from_here(options.env_file)}"
    )


def _from_here(path: Path) -> str:
    """Return a path as a person in this folder would type it; `.` of sh needs the slash."""
    here = Path.cwd()
    return shlex.quote(f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path))


def _tell(line: str) -> None:
    print(f"onboard: {line}", flush=True)


def _fail(reason: str, code: int) -> int:
    print(f"onboard: {reason}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end by SIGTERM is as orderly as Ctrl-C
    sys.exit(main())
