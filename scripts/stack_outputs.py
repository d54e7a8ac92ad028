"""Reads what `pulumi stack output --json` prints and finds one team in it."""

import difflib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bad_input import BadInputError
from reachability import address_fault

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
PARAMETER_NAME = re.compile(r"(/[A-Za-z0-9_.-]+){1,15}")
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
MAKE_ANEW = "make them anew: pulumi stack output --json"
PROJECT = Path(__file__).absolute().parent.parent
NO_PULUMI = (
    "pulumi is not installed here: ask the platform engineer for what `pulumi stack output --json` prints "
    "and give it with --outputs FILE"
)


@dataclass(frozen=True, kw_only=True)
class TeamAccess:
    """What a member of a team needs to know of the stack.

    Attributes:
        tracking_uri: `https://mlflow.example.com`.
        region: the AWS region of the stack.
        workspace: the team's MLflow workspace.
        role_arn: the role a member assumes.
        artifact_root: `s3://<bucket>/workspaces/<team>`.
        chat_parameter: the SSM parameter with the address of the team's chat, which writers may read.
    """

    tracking_uri: str
    region: str
    workspace: str
    role_arn: str
    artifact_root: str
    chat_parameter: str


def find_team(text: str, team: str, access: str) -> TeamAccess:
    """Return what the outputs say of a team.

    Args:
        text: JSON with `trackingUri`, `region`, `artifactBucket` and `teams`.
        team: a name under `teams`.
        access: `writer` or `reader`.

    Raises:
        BadInputError: the outputs are not a stack's, or the team is not in them.
    """
    outputs = parse(text)
    uri, bucket = outputs.get("trackingUri"), outputs.get("artifactBucket")
    faults = [
        address_fault("trackingUri in the stack's outputs", uri if isinstance(uri, str) else ""),
        fault("region", outputs.get("region"), REGION, "an AWS region"),
        None
        if isinstance(bucket, str) and bucket
        else f"artifactBucket in the stack's outputs is {bucket!r}",
    ]
    teams = outputs.get("teams")
    entry: dict[str, Any] = {}
    if not isinstance(teams, dict) or not teams:
        faults.append(f"teams in the stack's outputs is {teams!r}, not teams by name")
    elif team not in teams:
        faults.append(_unknown_team(team, sorted(teams)))
    else:
        entry = teams[team] if isinstance(teams[team], dict) else {}
        role, root = f"{access}RoleArn", f"s3://{bucket}/workspaces/{team}"
        faults += [
            fault(f"teams.{team}.{role}", entry.get(role), ROLE_ARN, "a role's ARN"),
            fault(f"teams.{team}.workspace", entry.get("workspace"), re.compile(re.escape(team)), repr(team)),
            fault(
                f"teams.{team}.artifactRoot",
                entry.get("artifactRoot"),
                re.compile(re.escape(root)),
                repr(root),
            ),
            fault(
                f"teams.{team}.chatParameter",
                entry.get("chatParameter"),
                PARAMETER_NAME,
                "an SSM parameter's name",
            ),
        ]
    if found := [one for one in faults if one]:
        raise BadInputError([*found])
    return TeamAccess(
        tracking_uri=outputs["trackingUri"].rstrip("/"),
        region=outputs["region"],
        workspace=entry["workspace"],
        role_arn=entry[f"{access}RoleArn"],
        artifact_root=entry["artifactRoot"],
        chat_parameter=entry["chatParameter"],
    )


def read_outputs(file: str | None, stack: str | None) -> str:
    """Return the outputs as text: of a file, of standard input for `-`, or of a stack that Pulumi knows.

    Raises:
        BadInputError: they cannot be had.
    """
    if file == "-":
        return sys.stdin.read()
    if file:
        try:
            return Path(file).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError([f"--outputs cannot be read: {error}"]) from None
    command = ["pulumi", "stack", "output", "--json", *(["--stack", stack] if stack else [])]
    try:
        asked = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BadInputError([NO_PULUMI]) from None
    if asked.returncode:
        raise BadInputError([f"`{' '.join(command)}` failed: {asked.stderr.strip() or asked.stdout.strip()}"])
    return asked.stdout


def parse(text: str) -> dict[str, Any]:
    """Return the outputs by name.

    Raises:
        BadInputError: the text is no JSON object.
    """
    try:
        outputs = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError([f"the stack's outputs are not JSON ({error}); {MAKE_ANEW}"]) from None
    if not isinstance(outputs, dict):
        raise BadInputError(
            [f"the stack's outputs are a JSON {type(outputs).__name__}, not an object; {MAKE_ANEW}"]
        )
    return outputs


def fault(name: str, value: Any, allowed: re.Pattern[str], meaning: str) -> str | None:
    """Say what is wrong with one output, or None."""
    if isinstance(value, str) and allowed.fullmatch(value):
        return None
    return f"{name} in the stack's outputs is {value!r}, not {meaning}; {MAKE_ANEW}"


def _unknown_team(team: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(team, known, n=1)
    hint = f"; did you mean --team {nearest[0]}?" if nearest else ""
    return f"unknown team {team!r}: the stack has {', '.join(known)}{hint}"
