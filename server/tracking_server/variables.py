"""The environment variables of this package: what each may hold, who sets it, and how a fault in it reads."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")

HIGHEST_PORT = 65535
SHORTEST_WORKSPACE = 2
LONGEST_WORKSPACE = 63
# Names that MLflow keeps for itself: mlflow.store.workspace.abstract_store, and the workspace it starts with.
RESERVED_WORKSPACES = ("default", "workspaces", "api", "ajax-api", "static-files")
DNS_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"

STACK = "the stack writes it into the task definition: pulumi up"
IMAGE = "the image brings it: pulumi config set mlflow-tracking:image <image built from server/> && pulumi up"
DOMAIN = "it follows from the domain: pulumi config set mlflow-tracking:domain <name> && pulumi up"
UPGRADE = "scripts/upgrade.py sets it: --adopting-team <team>"
SECRET = "the ECS agent injects it from the database's managed secret: pulumi up"  # noqa: S105
DRILL = "scripts/restore_drill.py gives it to the task that it starts"
MENDING = {
    "AWS_REGION": STACK,
    "PGHOST": STACK,
    "PGPORT": STACK,
    "PGDATABASE": STACK,
    "PGUSER": STACK,
    "PGSSLMODE": STACK,
    "PGSSLROOTCERT": IMAGE,
    "ARTIFACT_ROOT": STACK,
    "MLFLOW_SERVER_ALLOWED_HOSTS": DOMAIN,
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": DOMAIN,
    "MLFLOW_HOST": IMAGE,
    "MLFLOW_PORT": IMAGE,
    "ACCESS_LIST": STACK,
    "SERVER_ID": DOMAIN,
    "DATABASE_MASTER_USERNAME": SECRET,
    "DATABASE_MASTER_PASSWORD": SECRET,
    "RESTORED_HOST": DRILL,
    "RESTORED_PORT": DRILL,
    "RESTORED_USER": STACK,
    "RESTORED_TO": DRILL,
    "BOUND": DRILL,
    "SAMPLES": DRILL,
    "ADOPTING_TEAM": UPGRADE,
}
ADOPTING_TEAM = "ADOPTING_TEAM"
MASTER = ("DATABASE_MASTER_USERNAME", "DATABASE_MASTER_PASSWORD")
# MLflow and libpq read these; a name of theirs that is not ours could switch off what we switch on.
RULED_PREFIXES = ("MLFLOW_", "_MLFLOW_", "PG")


class Variables:
    """Reads variables by rules, and collects a line for each fault.

    A rule takes the text and returns the value; its ValueError says what is allowed.

    Attributes:
        faults: one line each; never the value of a secret.
    """

    def __init__(self, environment: Mapping[str, str], foreign: tuple[str, ...] = ()) -> None:
        self._environment = environment
        self.faults = [
            f"{name}: is set, and not allowed here; remove it from the task definition and the image"
            for name in sorted(environment)
            if name in foreign or (name.startswith(RULED_PREFIXES) and name not in MENDING)
        ]

    def one(self, name: str, rule: Callable[[str], Value]) -> Value | None:
        """Return the value, or None when there is a fault."""
        received = self._environment.get(name, "")
        try:
            if received:
                return rule(received)
            shown, allowed = "nothing", "a value"
        except ValueError as error:
            shown, allowed = "***" if name in MASTER else repr(received), str(error)
        self.faults.append(f"{name}: received {shown}, allowed is {allowed}; {MENDING[name]}")
        return None

    def each(self, name: str, rule: Callable[[str], str]) -> tuple[str, ...] | None:
        """Return the items of a comma-separated list, or None when there is a fault."""

        def items(received: str) -> tuple[str, ...]:
            values = tuple(rule(item) for item in received.split(","))
            if len(set(values)) != len(values):
                raise ValueError("each item once")
            return values

        return self.one(name, items)


def matching(pattern: str, allowed: str) -> Callable[[str], str]:
    """Make a rule: the whole text matches."""

    def rule(received: str) -> str:
        if not re.fullmatch(pattern, received):
            raise ValueError(allowed)
        return received

    return rule


region = matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region such as eu-west-1")
# Neither a list of hosts nor a socket's folder, both of which libpq would take.
host_name = matching(DNS_NAME, "one host name in lower case")
identifier = matching(r"[a-z_][a-z0-9_]{0,62}", "a name in lower case, as Postgres writes it unquoted")
access_list = matching(
    r"(/[A-Za-z0-9_.-]+)+", "the path of SSM parameters, such as /mlflow-tracking/dev/access"
)
sslmode = matching("verify-full", "verify-full: no other host may pose as the database")
# MLflow takes any * for a pattern: "host*" would also let host.evil.example in; "host:*" can only be a port.
allowed_host = matching(
    rf"{DNS_NAME}(:\d+|:\*)?", "host names in lower case, each alone, with its port, or as name:*"
)
origin = matching(
    rf"https?://{DNS_NAME}(:\d+)?", "origins such as https://mlflow.example.com, without path or *"
)


def port(received: str) -> int:
    """Rule: a TCP port."""
    if not received.isdecimal() or not 1 <= int(received) <= HIGHEST_PORT:
        raise ValueError(f"1 to {HIGHEST_PORT}")
    return int(received)


def count(received: str) -> int:
    """Rule: a whole number of rows, files or transactions."""
    if not re.fullmatch(r"[0-9]{1,19}", received):
        raise ValueError("a whole number")
    return int(received)


def moment(received: str) -> datetime:
    """Rule: a time with its zone."""
    try:
        found = datetime.fromisoformat(received)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("a time such as 2026-11-23T12:00:00+00:00")
    return found


def address(received: str) -> str:
    """Rule: an IP address to listen on."""
    try:
        return str(ipaddress.ip_address(received))
    except ValueError:
        raise ValueError("an IP address to listen on, such as 0.0.0.0") from None


def certificates(received: str) -> Path:
    """Rule: a readable PEM file."""
    path = Path(received)
    try:
        if "BEGIN CERTIFICATE" in path.read_text(encoding="ascii", errors="replace"):
            return path
        reason = "this one holds none"
    except OSError as error:
        reason = str(error.strerror)
    raise ValueError(f"a readable file of PEM certificates ({reason})")


def artifact_root(received: str) -> str:
    """Rule: a bucket, or a prefix in it, to which MLflow adds `workspaces/<team>`."""
    allowed = "s3://bucket or s3://bucket/prefix, without a slash at the end"
    found = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]((?:/[A-Za-z0-9._-]+)*)", received)
    if not found:
        raise ValueError(allowed)
    if "workspaces" in found[1].split("/"):
        raise ValueError(f"{allowed}, and without workspaces/, which MLflow adds")
    return received


def workspace(received: str) -> str:
    """Rule: a workspace name that MLflow takes and does not keep for itself."""
    if (
        not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", received)
        or not SHORTEST_WORKSPACE <= len(received) <= LONGEST_WORKSPACE
        or received in RESERVED_WORKSPACES
    ):
        raise ValueError(
            f"team names of {SHORTEST_WORKSPACE} to {LONGEST_WORKSPACE} lower-case letters, digits and inner "
            f"hyphens, none of {', '.join(RESERVED_WORKSPACES)}"
        )
    return received
