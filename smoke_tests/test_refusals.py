"""What S3 must refuse to the team's writer and to everybody; each refusal is AccessDenied, no other error."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from smoke_tests.conftest import LoggedRun
from smoke_tests.stack import Stack

ONE_ATTEMPT = {"total_max_attempts": 1}


def assert_denied(s3: Any, operation: str, **arguments: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(s3, operation)(**arguments)
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


@pytest.fixture(scope="module")
def anonymous() -> Any:
    return boto3.Session().client("s3", config=Config(signature_version=UNSIGNED))


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("", id="the root"),
        pytest.param("workspaces/", id="all teams"),
        pytest.param("workspaces/{team}", id="teams whose name begins like ours"),
        pytest.param("workspaces/{other}/", id="the other team"),
    ],
)
def test_listing_outside_our_prefix_is_refused(prefix: str, stack: Stack, run: LoggedRun, s3: Any) -> None:
    full = prefix.format(team=stack.team, other=stack.other_team)
    assert_denied(s3, "list_objects_v2", Bucket=run.bucket, Prefix=full)


def test_listing_without_a_prefix_is_refused(run: LoggedRun, s3: Any) -> None:
    assert_denied(s3, "list_objects_v2", Bucket=run.bucket)


def test_reading_the_other_teams_prefix_is_refused(stack: Stack, run: LoggedRun, s3: Any) -> None:
    assert_denied(s3, "get_object", Bucket=run.bucket, Key=f"workspaces/{stack.other_team}/smoke-test")


def test_writing_to_the_other_teams_prefix_is_refused(stack: Stack, run: LoggedRun, s3: Any) -> None:
    key = f"workspaces/{stack.other_team}/smoke-test"
    assert_denied(s3, "put_object", Bucket=run.bucket, Key=key, Body=b"")


def test_deleting_our_own_artifact_is_refused(run: LoggedRun, s3: Any) -> None:
    assert_denied(s3, "delete_object", Bucket=run.bucket, Key=run.key("notes/note.txt"))


def test_public_reading_is_refused(run: LoggedRun, anonymous: Any) -> None:
    assert_denied(anonymous, "get_object", Bucket=run.bucket, Key=run.key("notes/note.txt"))


def test_public_listing_is_refused(run: LoggedRun, anonymous: Any) -> None:
    assert_denied(anonymous, "list_objects_v2", Bucket=run.bucket, Prefix=run.key(""))


def test_nothing_is_read_without_tls(run: LoggedRun, s3: Any) -> None:
    """AWS listens to plain HTTP, so it must deny; an endpoint that speaks TLS alone hangs up instead."""
    endpoint = urlsplit(s3.meta.endpoint_url)
    plain = boto3.Session().client(
        "s3", endpoint_url=urlunsplit(endpoint._replace(scheme="http")), config=Config(retries=ONE_ATTEMPT)
    )
    of_aws = str(endpoint.hostname).endswith((".amazonaws.com", ".amazonaws.com.cn"))
    with pytest.raises(ClientError if of_aws else (ClientError, ConnectionClosedError)) as refusal:
        plain.get_object(Bucket=run.bucket, Key=run.key("notes/note.txt"))
    if isinstance(refusal.value, ClientError):
        assert refusal.value.response["Error"]["Code"] == "AccessDenied"
