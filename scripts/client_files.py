"""The two files of a client: its profile in the AWS configuration and its environment file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import marked_block
from aws_config import Profile, config_path, credentials_path, defines_profile
from bad_input import BadInputError
from file_change import FileChange, read_text

# The environment file is read by shells, by docker --env-file (which takes quotes literally) and by direnv:
# only a value that needs no quotes means the same to all three.
PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:@%+=,-]+")
VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TEAM_STS_REGION",
    "MLFLOW_WORKSPACE",
    "MLFLOW_EXPERIMENT_NAME",
    "AWS_PROFILE",
    "MLFLOW_TEAM_CHAT_PARAMETER",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "AWS_CA_BUNDLE",
)
SETS_VARIABLE = re.compile(rf"^\s*(?:export\s+)?({'|'.join(VARIABLES)})=", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class ClientFiles:
    """Where a profile lives; the marks in both files carry its name.

    Attributes:
        config: the AWS configuration file.
        credentials: the AWS credentials file, which is read only.
        environment: the environment file.
    """

    profile: str
    config: Path
    credentials: Path
    environment: Path

    @classmethod
    def of(cls, profile: str, environment_file: Path, environment: Mapping[str, str]) -> "ClientFiles":
        """Place the files where boto3 will look for them in this environment."""
        return cls(
            profile=profile,
            config=config_path(environment),
            credentials=credentials_path(environment),
            environment=environment_file,
        )

    def faults(self) -> list[str]:
        """Say why the client's files cannot be written, as far as can be seen without trying."""
        try:
            changes = self.leave()
            credentials = read_text(self.credentials)
        except BadInputError as error:
            return error.faults
        except (OSError, UnicodeDecodeError) as error:
            return [f"{self.credentials} cannot be read: {error}"]
        config, environment = changes
        faults = [fault for change in changes if (fault := change.fault())]
        for path, found in (
            (self.config, defines_profile(config.foreign, self.profile)),
            (self.credentials, defines_profile(credentials, self.profile, credentials=True)),
        ):
            if found:
                faults.append(
                    f"{path} already has a profile {self.profile!r} that this script did not write; "
                    "choose another name with --profile NAME, or remove it"
                )
        if set_elsewhere := SETS_VARIABLE.findall(environment.foreign):
            faults.append(
                f"{self.environment} sets {', '.join(set_elsewhere)} outside this script's marks; "
                "remove these lines or choose another file with --env-file FILE"
            )
        return faults

    def join(self, profile: Profile, variables: Mapping[str, str]) -> list[FileChange]:
        """Return the changes that make this machine a client.

        Raises:
            BadInputError: a file cannot be read or a value cannot be written.
        """
        if awkward := [name for name, value in variables.items() if not PLAIN_VALUE.fullmatch(value)]:
            raise BadInputError(
                [
                    f"{name} would be {variables[name]!r}: an environment file takes no spaces, quotes or "
                    "characters that a shell interprets; use another path"
                    for name in awkward
                ]
            )
        lines = "\n".join(f"{name}={value}" for name, value in variables.items())
        return [
            _change(self.config, self.profile, profile.section()),
            _change(self.environment, self.profile, lines),
        ]

    def leave(self) -> list[FileChange]:
        """Return the changes that take back what `join` wrote.

        Raises:
            BadInputError: a file cannot be read.
        """
        return [_change(path, self.profile, None) for path in (self.config, self.environment)]


def _change(path: Path, name: str, body: str | None) -> FileChange:
    """Return the change of the block `name` to `body`; None takes it out."""
    try:
        before = read_text(path)
        foreign = marked_block.take(before, name)
        after = foreign if body is None else marked_block.put(before, name, body)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError([f"{path} cannot be read: {error}"]) from None
    except marked_block.DamagedMarksError as error:
        raise BadInputError([f"the marks in {path} are damaged, mend them by hand: {error}"]) from None
    return FileChange(path=path, before=before, after=after, foreign=foreign)
