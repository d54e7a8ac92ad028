"""Proves that a client works: its role opens, its server answers, a hello run is logged."""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from bad_input import BadInputError
from identity import IdentityError, RoleDeniedError, caller_arn
from reachability import UnreachableError, wait_for_server
from stack_outputs import MAKE_ANEW, TeamAccess

SERVER_SECONDS = 60.0
# MLflow gives those who name no experiment the one with id 0,
# which no team's workspace has: their first start_run would fail.
EXPERIMENT = "Default"
LOGIN = "aws-role"  # the name of the plugin in client/
FOREIGN_HOST = "Invalid Host header"  # mlflow/server/security_utils.py
# boto3 takes exported keys before any profile.
EXPORTED_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# What the server's login says, and what client/ says before it asks; each is a sentence with its command.
LOGIN_REFUSED = re.compile(
    r"(?:(?:UNAUTHENTICATED|PERMISSION_DENIED|TEMPORARILY_UNAVAILABLE):"
    r"|API request to \S+ failed with exception) (?P<reason>.*)"
)
QUIETLY = {
    "MLFLOW_TEAM_NOTIFY": "off",  # a hello is no news for the team's chat
    "MLFLOW_TEAM_SPOOL": "off",  # what does not arrive is what is to be found out
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the usual 7 are four silent minutes
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class VerificationError(RuntimeError):
    """The client does not work; the message is one sentence and what mends it."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """What onboarding made.

    Attributes:
        access: `writer` or `reader`.
        team: what the stack says of the team.
        profile: the AWS profile that assumes the role.
        source_profile: the profile it starts from; None when it starts from the machine's own role.
        variables: what the environment file holds.
    """

    access: str
    team: TeamAccess
    profile: str
    source_profile: str | None
    variables: Mapping[str, str]


def check_role(client: Client, config: str) -> str:
    """Assume the role as the client will, before its files are written, and return who that makes it.

    Args:
        client: its files are not written yet.
        config: the AWS configuration that is to be written, with the client's profile.

    Raises:
        BadInputError: the credentials there are do not open the role.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".config") as proposed:
        proposed.write(config)
        proposed.flush()
        with _environment({**client.variables, "AWS_CONFIG_FILE": proposed.name}):
            try:
                return _assume_role(client)
            except IdentityError as error:
                raise BadInputError([str(error)]) from None


def verify(client: Client, tell: Callable[[str], None]) -> None:
    """Use the client as its owner will.

    Args:
        client: its files are written.
        tell: called with a line for each thing that holds or is waited for.

    Raises:
        VerificationError: something does not hold.
    """
    uri = client.variables["MLFLOW_TRACKING_URI"]
    with _environment(client.variables):
        try:
            wait_for_server(
                uri,
                ca_bundle=client.variables.get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
                seconds=SERVER_SECONDS,
                tell=lambda reason: tell(f"waiting for the server: {reason}"),
            )
        except UnreachableError as error:
            raise VerificationError(f"{error}. Look closer: curl -v {uri}/health") from None
        tell(f"server: {uri}")
        tell(_hello(client) if client.access == "writer" else _look_around(client))


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Be in a shell that has loaded the environment file and exports no keys."""
    saved = dict(os.environ)
    os.environ.update({**QUIETLY, **variables})
    for name in EXPORTED_KEYS:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _assume_role(client: Client) -> str:
    source = f"profile {client.source_profile}" if client.source_profile else "this machine's role"
    try:
        return caller_arn(boto3.Session(profile_name=client.profile), source=source)
    except RoleDeniedError:
        session = boto3.Session(profile_name=client.source_profile, region_name=client.team.region)
        who = caller_arn(session, source=source)
        raise IdentityError(
            f"{who} may not assume {client.team.role_arn}. Ask the platform engineer to put it under "
            f"teams.{client.team.workspace}.{client.access}s of the stack's configuration, then: pulumi up"
        ) from None


def _hello(client: Client) -> str:
    import mlflow  # noqa: PLC0415 - takes seconds, which bad input must not wait for
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        experiment = mlflow.set_experiment(EXPERIMENT)
        if not str(experiment.artifact_location).startswith(f"{client.team.artifact_root}/"):
            raise VerificationError(
                f"the server keeps this team's artifacts under {experiment.artifact_location}, the stack's "
                f"outputs say {client.team.artifact_root}: they are another stack's or old; {MAKE_ANEW}"
            )
        with mlflow.start_run(run_name=f"hello from {client.profile}") as run:
            mlflow.log_param("profile", client.profile)
            mlflow.log_metric("hello", 1.0)
            mlflow.log_text("Written straight to S3 with the team's role.\n", "hello.txt")
    except MlflowException as error:
        raise VerificationError(_refused(client, str(error).splitlines()[0])) from None
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise VerificationError(_not_stored(client, str(error))) from None
    return f"hello run: experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def _look_around(client: Client) -> str:
    """Do what a reader may do: search runs and list artifacts."""
    import mlflow  # noqa: PLC0415 - takes seconds, which bad input must not wait for
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    root = urlsplit(client.team.artifact_root)
    try:
        mlflow.search_experiments(max_results=1)
        boto3.Session().client("s3").list_objects_v2(
            Bucket=root.netloc, Prefix=f"{root.path.lstrip('/')}/", MaxKeys=1
        )
    except MlflowException as error:
        raise VerificationError(_refused(client, str(error).splitlines()[0])) from None
    except (BotoCoreError, ClientError) as error:
        raise VerificationError(_not_stored(client, str(error))) from None
    return f"workspace {client.team.workspace} can be read"


def _refused(client: Client, answer: str) -> str:
    uri = client.variables["MLFLOW_TRACKING_URI"]
    if FOREIGN_HOST in answer:
        return f"the server does not go by the name in {uri}. Use the name in {client.team.tracking_uri}"
    if said := LOGIN_REFUSED.fullmatch(answer):
        return f"the server could not be used: {said['reason']}"
    return (
        f"the server refused workspace {client.team.workspace}: {answer}. "
        "Compare the stack with what runs: pulumi up"
    )


def _not_stored(client: Client, answer: str) -> str:
    code = found[1] if (found := re.search(r"\((\w+)\) when calling", answer)) else ""
    if code == "AccessDenied":
        return (
            f"S3 denied {client.team.role_arn} what a {client.access} needs under "
            f"{client.team.artifact_root} ({answer}). Put the role's rights back: pulumi up"
        )
    if code == "NoSuchBucket":
        return (
            f"the bucket of {client.team.artifact_root} does not exist: the stack's outputs are another "
            f"stack's or old; {MAKE_ANEW}"
        )
    return f"S3 did not take the artifact ({answer}). Try it alone: aws s3 ls {client.team.artifact_root}/"
