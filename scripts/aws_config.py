"""The client's profile in the AWS configuration: boto3 then assumes and renews the role by itself."""

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import botocore.session
from botocore.exceptions import BotoCoreError

SESSION_SECONDS = 3600  # the most that AWS allows a role assumed by another role
SESSION_NAME_LENGTH = 64
# boto3 takes exported keys before any profile, so credential_source=Environment would never assume the role.
CREDENTIAL_SOURCES = ("Ec2InstanceMetadata", "EcsContainer")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile that assumes a role and renews the session by itself.

    Attributes:
        source_key: `source_profile` or `credential_source`, where the first credentials come from.
        source: a profile's name, or one of `CREDENTIAL_SOURCES`.
        ca_bundle: PEM file for the calls to AWS; None for the usual one.
    """

    name: str
    role_arn: str
    source_key: str
    source: str
    region: str
    ca_bundle: Path | None

    def section(self) -> str:
        """Return the profile as a section of the AWS configuration."""
        lines = [
            f"[profile {self.name}]",
            f"role_arn = {self.role_arn}",
            f"{self.source_key} = {self.source}",
            f"role_session_name = {_session_name()}",
            f"duration_seconds = {SESSION_SECONDS}",
            f"region = {self.region}",
        ]
        if self.ca_bundle:
            lines.append(f"ca_bundle = {self.ca_bundle}")
        return "\n".join(lines)


def config_path(environment: Mapping[str, str]) -> Path:
    """Return the AWS configuration file, where boto3 looks for it."""
    return Path(environment.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()


def credentials_path(environment: Mapping[str, str]) -> Path:
    """Return the AWS credentials file, where boto3 looks for it."""
    return Path(environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()


def known_profiles() -> list[str]:
    """Return the profiles boto3 knows.

    Raises:
        BotoCoreError: a configuration file cannot be parsed.
    """
    return sorted(botocore.session.Session().available_profiles)


def source_fault(profile: str, source: str) -> str | None:
    """Say why a profile cannot start from the profile `source`."""
    try:
        known = known_profiles()
    except BotoCoreError as error:
        return f"the AWS configuration cannot be read: {error}"
    if source == profile:
        return f"--source-profile {source} is the profile to be written; it cannot start from itself"
    if source in known:
        return None
    names = ", ".join(name for name in known if name != profile) or "none"
    return (
        f"unknown source profile {source!r}; profiles here: {names}. "
        "Choose one with --source-profile NAME, or make it: aws configure sso"
    )


def defines_profile(text: str, name: str, *, credentials: bool = False) -> bool:
    """Tell whether a configuration file (or a credentials file) has a section for the profile."""
    prefix = "" if credentials or name == "default" else r"profile\s+"
    section = rf"""^\s*\[\s*{prefix}["']?{re.escape(name)}["']?\s*\]"""
    return re.search(section, text, re.MULTILINE) is not None


def _session_name() -> str:
    """Name the person for CloudTrail, which records who assumed the role."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id often has no name
        user = str(os.getuid())
    return re.sub(r"[^\w+=,.@-]", "-", f"mlflow-{user}", flags=re.ASCII)[:SESSION_NAME_LENGTH]
