"""The stack under test, as the client's environment names it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import boto3
from botocore.exceptions import BotoCoreError

from reachability import address_fault

# MLflow's rule for workspaces: mlflow/store/workspace/abstract_store.py, WorkspaceNameValidator.
TEAM_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
ANOTHER_TEAM = "another-team"
CA_BUNDLES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "AWS_CA_BUNDLE")


class SettingsError(ValueError):
    """The environment does not name a stack; the message lists every fault."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What the tests know beforehand; the bucket is what the server tells.

    Attributes:
        tracking_uri: `https://mlflow.example.com`, without a path.
        team: our team, which is our workspace and our prefix in the bucket.
        other_team: a team whose prefix must be refused; it need not exist.
        ca_bundle: PEM file the server's certificate is verified with; None for the usual ones.
    """

    tracking_uri: str
    team: str
    other_team: str
    ca_bundle: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment that the onboarding script wrote.

        Raises:
            SettingsError: something is missing or wrong; all faults at once.
        """
        uri = environment.get("MLFLOW_TRACKING_URI", "").rstrip("/")
        team = environment.get("MLFLOW_WORKSPACE", "")
        other_team = environment.get("SMOKE_OTHER_TEAM", ANOTHER_TEAM)
        faults = [
            address_fault("MLFLOW_TRACKING_URI", uri),
            _team_fault("MLFLOW_WORKSPACE", team),
            _team_fault("SMOKE_OTHER_TEAM", other_team),
            f"SMOKE_OTHER_TEAM is {other_team!r}, our own team: name another one"
            if other_team == team
            else None,
            *(_file_fault(name, environment.get(name)) for name in CA_BUNDLES),
            _credentials_fault(),
        ]
        if found := [fault for fault in faults if fault]:
            lines = "\n".join(f"  - {fault}" for fault in found)
            raise SettingsError(
                f"the environment names no stack to test:\n{lines}\n"
                "Load what onboarding wrote, then run again: set -a; . ./mlflow-<team>.env; set +a"
            )
        return cls(
            tracking_uri=uri,
            team=team,
            other_team=other_team,
            ca_bundle=environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
        )


def _team_fault(name: str, team: str) -> str | None:
    if TEAM_NAME.fullmatch(team):
        return None
    return f"{name} is {team!r}: must be a team's name, lower-case letters, digits and hyphens"


def _file_fault(name: str, path: str | None) -> str | None:
    if path is None or Path(path).is_file():
        return None
    return f"{name} is {path!r}: no such file"


def _credentials_fault() -> str | None:
    try:
        credentials = boto3.Session().get_credentials()
    except BotoCoreError as error:
        return f"AWS credentials: {error}"
    return None if credentials else "AWS credentials: boto3 finds none; set AWS_PROFILE to the team's profile"
