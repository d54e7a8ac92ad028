"""Where a team's messages go: a secret that a role may read, never in a tag, a log or an error."""

import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow_team.bad_input import BadInputError
from mlflow_team.token import REGION_VARIABLE
from mlflow_team.tracking_server import is_loopback

PARAMETER, FILE = "MLFLOW_TEAM_CHAT_PARAMETER", "MLFLOW_TEAM_CHAT_FILE"
# SSM answers 40 times a second for a whole account, and a sweep's runs end by the hundred.
KEPT_SECONDS = 60.0
UNSET = "unset"  # the stack's placeholder, until somebody puts an address there
HOSTS = {"hooks.slack.com": "slack", "hooks.slack-gov.com": "slack"}
# Workflows answer below one of these.
TEAMS_HOSTS = (".logic.azure.com", ".api.powerplatform.com", ".webhook.office.com")
SHAPE = (
    "allowed is an https address, or"
    ' {"service": "slack", "url": "https://…"} with service slack, teams, json or apprise'
)


class Service(StrEnum):
    """Who receives it."""

    SLACK = "slack"
    TEAMS = "teams"
    JSON = "json"
    APPRISE = "apprise"


# Parameter and region: until when its value counts, and the value.
_read: dict[tuple[str, str | None], tuple[float, str]] = {}


@dataclass(frozen=True)
class Address:
    """A webhook; who holds its URL may write into the chat."""

    service: Service
    url: str = field(repr=False)


def named(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether there is a place to look for an address."""
    return bool(environment.get(PARAMETER) or environment.get(FILE))


def of(environment: Mapping[str, str] = os.environ) -> Address | None:
    """Return the address in the file, else the team's in the parameter, or None where there is none.

    Raises:
        BadInputError: what is there is no address; the message does not repeat it.
        botocore.exceptions.BotoCoreError: AWS cannot be asked.
        botocore.exceptions.ClientError: AWS refuses.
    """
    if file := environment.get(FILE):
        return read(_file(Path(file)), f"file {file}")
    if parameter := environment.get(PARAMETER):
        return read(_parameter(parameter, environment.get(REGION_VARIABLE)), f"parameter {parameter}")
    return None


def missing(environment: Mapping[str, str] = os.environ) -> str:
    """Say what sets an address up."""
    if name := environment.get(PARAMETER):
        put = (
            f"aws ssm put-parameter --overwrite --type SecureString --name {name} --value file://address.txt"
        )
        return f"parameter {name} holds no address yet, who runs the stack puts it there: {put}"
    return f"neither {PARAMETER} nor {FILE} is set: export {FILE}=address.txt, with chmod 600 address.txt"


def read(text: str, where: str) -> Address | None:
    """Read what the secret says; None for the placeholder.

    Raises:
        BadInputError: it is no address; the message does not repeat it.
    """
    told = text.strip()
    if told == UNSET:
        return None
    service, url = _json(told) if told.startswith("{") else (None, told)
    if service == Service.APPRISE:
        return Address(Service.APPRISE, url)
    try:
        parts = urlsplit(url)
        host, scheme = (parts.hostname or "").lower(), parts.scheme.lower()
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        host = scheme = ""
    secure = scheme == "https" or (scheme == "http" and is_loopback(host))
    if not host or not secure or any(character.isspace() for character in url):
        raise BadInputError([f"{where} holds no chat address: {SHAPE}"])
    found = service or HOSTS.get(host) or ("teams" if host.endswith(TEAMS_HOSTS) else "json")
    if found not in set(Service):
        raise BadInputError([f"{where} names no service that is known: {SHAPE}"])
    return Address(Service(found), url)


def _json(text: str) -> tuple[str, str]:
    try:
        said: Any = json.loads(text)
    except ValueError:
        return "", ""
    service, url = said.get("service"), said.get("url")
    return (service, url) if isinstance(service, str) and isinstance(url, str) else ("", "")


def _parameter(name: str, region: str | None) -> str:
    until, value = _read.get((name, region), (0.0, ""))
    if time.monotonic() < until:
        return value
    import boto3  # noqa: PLC0415 - only where it is asked for

    ssm = boto3.client("ssm", region_name=region)
    value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    _read[name, region] = time.monotonic() + KEPT_SECONDS, value
    return value


def _file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadInputError(
                [f"{FILE} is {path}, which others may read ({stat.filemode(mode)}): chmod 600 {path}"]
            )
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInputError([f"{FILE} is {path}, which cannot be read: {why}"]) from None
