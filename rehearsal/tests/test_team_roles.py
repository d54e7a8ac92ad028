"""The roles that the deployed stack made: what each may do in the bucket, and who may take them."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal.aws.cloud import EmulatedAws
from rehearsal.deployment import Deployment
from rehearsal.emulator import REGION, Emulator
from rehearsal.tests.conftest import preview_and_up

OWN, OTHER = "workspaces/vision/1/run/artifacts/note.txt", "workspaces/speech/1/run/artifacts/note.txt"
OTHERS, NEIGHBOUR = "workspaces/speech/", "workspaces/vision-2/1/run/artifacts/note.txt"

pytestmark = pytest.mark.rehearsal

Call = Callable[[Any, str], Any]


class People:
    """Users of the emulated account, with the right to ask for any role."""

    def __init__(self, emulator: Emulator, names: tuple[str, ...]) -> None:
        self._emulator = emulator
        self.arns: dict[str, str] = {}
        self._keys: dict[str, dict[str, str]] = {}
        ask = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [ask]})
        iam = emulator.client("iam")
        for name in names:
            self.arns[name] = iam.create_user(UserName=name)["User"]["Arn"]
            iam.put_user_policy(UserName=name, PolicyName="ask", PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            self._keys[name] = {
                "aws_access_key_id": key["AccessKeyId"],
                "aws_secret_access_key": key["SecretAccessKey"],
            }

    def take(self, person: str, role_arn: str) -> dict[str, str]:
        sts = self._emulator.client("sts", **self._keys[person])
        taken = sts.assume_role(RoleArn=role_arn, RoleSessionName="test-session")["Credentials"]
        return {
            "aws_access_key_id": taken["AccessKeyId"],
            "aws_secret_access_key": taken["SecretAccessKey"],
            "aws_session_token": taken["SessionToken"],
        }


@pytest.fixture(scope="module")
def people(emulator: Emulator) -> People:
    return People(emulator, ("ada", "ben", "grace"))


@pytest.fixture(scope="module")
def stack(cloud: EmulatedAws, stack_config: Callable[..., dict[str, Any]], people: People) -> Deployment:
    """Ada writes for vision, Ben reads; Grace writes for speech."""
    teams = {
        "vision": {"writers": [people.arns["ada"]], "readers": [people.arns["ben"]]},
        "speech": {"writers": [people.arns["grace"]]},
    }
    return preview_and_up(cloud, stack_config(teams=teams, egress="public-ip", disposable=True))[1]


@pytest.fixture(scope="module")
def s3_of(emulator: Emulator, stack: Deployment, people: People) -> dict[str, Any]:
    """S3 as the vision team's writer and reader; each prefix holds an object."""
    root = emulator.client("s3")
    for key in (OWN, OTHER, NEIGHBOUR, "elsewhere.txt"):
        root.put_object(Bucket=stack.outputs["artifactBucket"], Key=key, Body=b"theirs")
    roles = stack.outputs["teams"]["vision"]
    return {
        level: emulator.client("s3", **people.take(person, roles[f"{level}RoleArn"]))
        for level, person in (("writer", "ada"), ("reader", "ben"))
    }


@pytest.fixture(scope="module")
def plain_s3(emulator: Emulator, stack: Deployment, people: People) -> Any:
    """S3 without TLS, as the vision team's writer."""
    keys = people.take("ada", stack.outputs["teams"]["vision"]["writerRoleArn"])
    return boto3.client("s3", endpoint_url=emulator.plain_url, region_name=REGION, **keys)


READ: dict[str, Call] = {
    "get": lambda s3, bucket: s3.get_object(Bucket=bucket, Key=OWN),
    "list": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket, Prefix="workspaces/vision/1/"),
}
WRITE: dict[str, Call] = {
    "put": lambda s3, bucket: s3.put_object(Bucket=bucket, Key=OWN, Body=b"new"),
    "begin a multipart upload": lambda s3, bucket: s3.create_multipart_upload(Bucket=bucket, Key=OWN),
}
NEVER: dict[str, Call] = {
    "delete": lambda s3, bucket: s3.delete_object(Bucket=bucket, Key=OWN),
    "delete a version": lambda s3, bucket: s3.delete_object(Bucket=bucket, Key=OWN, VersionId="null"),
    "get of the other team": lambda s3, bucket: s3.get_object(Bucket=bucket, Key=OTHER),
    "put of the other team": lambda s3, bucket: s3.put_object(Bucket=bucket, Key=OTHER, Body=b""),
    "get of a team whose name begins alike": lambda s3, bucket: s3.get_object(Bucket=bucket, Key=NEIGHBOUR),
    "get by way of the own prefix's parent": lambda s3, bucket: s3.get_object(
        Bucket=bucket, Key=f"{OTHERS}../vision/1/run/artifacts/note.txt"
    ),
    "get of a doubled slash": lambda s3, bucket: s3.get_object(
        Bucket=bucket, Key=f"workspaces//{OTHER[11:]}"
    ),
    "put of a prefix in other letters": lambda s3, bucket: s3.put_object(
        Bucket=bucket, Key="Workspaces/vision/note.txt", Body=b""
    ),
    "copy of the other team's": lambda s3, bucket: s3.copy_object(
        Bucket=bucket, Key=OWN, CopySource={"Bucket": bucket, "Key": OTHER}
    ),
    "list by a prefix that climbs": lambda s3, bucket: s3.list_objects_v2(
        Bucket=bucket, Prefix="workspaces/speech/../vision/"
    ),
    "get outside of all prefixes": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="elsewhere.txt"),
    "list of the other team": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket, Prefix=OTHERS),
    "list of the root": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket),
    "bucket policy": lambda s3, bucket: s3.get_bucket_policy(Bucket=bucket),
    "own the policy": lambda s3, bucket: s3.delete_bucket_policy(Bucket=bucket),
    "suspend versioning": lambda s3, bucket: s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
    ),
    "list of buckets": lambda s3, _: s3.list_buckets(),
}
ALLOWED = [("writer", what) for what in READ | WRITE] + [("reader", what) for what in READ]
DENIED = [("reader", what) for what in WRITE] + [
    (level, what) for level in ("writer", "reader") for what in NEVER
]


@pytest.mark.parametrize(("level", "what"), ALLOWED)
def test_allowed(level: str, what: str, s3_of: dict[str, Any], stack: Deployment) -> None:
    (READ | WRITE)[what](s3_of[level], stack.outputs["artifactBucket"])


@pytest.mark.parametrize(("level", "what"), DENIED)
def test_denied(level: str, what: str, s3_of: dict[str, Any], stack: Deployment) -> None:
    with pytest.raises(ClientError) as refusal:
        (READ | WRITE | NEVER)[what](s3_of[level], stack.outputs["artifactBucket"])
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


def test_dots_in_a_key_are_letters(emulator: Emulator, s3_of: dict[str, Any], stack: Deployment) -> None:
    """S3 climbs nowhere: such an object lies under the own prefix, and the other team's is as it was."""
    bucket, climbing = stack.outputs["artifactBucket"], f"workspaces/vision/../{OTHER[11:]}"
    s3_of["writer"].put_object(Bucket=bucket, Key=climbing, Body=b"mine")
    root = emulator.client("s3")
    assert root.get_object(Bucket=bucket, Key=OTHER)["Body"].read() == b"theirs"
    assert root.get_object(Bucket=bucket, Key=climbing)["Body"].read() == b"mine"


@pytest.mark.parametrize("what", READ | WRITE)
def test_without_tls_the_bucket_policy_denies_what_the_role_may(
    what: str, plain_s3: Any, s3_of: dict[str, Any], stack: Deployment
) -> None:
    with pytest.raises(ClientError) as refusal:
        (READ | WRITE)[what](plain_s3, stack.outputs["artifactBucket"])
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"
    (READ | WRITE)[what](s3_of["writer"], stack.outputs["artifactBucket"])


def test_without_the_bucket_policy_plain_http_would_pass(
    emulator: Emulator, plain_s3: Any, stack: Deployment
) -> None:
    root, bucket = emulator.client("s3"), stack.outputs["artifactBucket"]
    policy = root.get_bucket_policy(Bucket=bucket)["Policy"]
    root.delete_bucket_policy(Bucket=bucket)
    try:
        READ["list"](plain_s3, bucket)
    finally:
        root.put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.mark.parametrize(
    ("person", "role"),
    [
        ("grace", "vision writer"),
        ("grace", "vision reader"),
        ("ben", "vision writer"),
        ("ada", "speech reader"),
    ],
)
def test_role_opens_for_nobody_else(person: str, role: str, people: People, stack: Deployment) -> None:
    team, level = role.split()
    with pytest.raises(ClientError) as refusal:
        people.take(person, stack.outputs["teams"][team][f"{level}RoleArn"])
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


def test_writer_may_step_down_to_reading(people: People, stack: Deployment) -> None:
    assert people.take("ada", stack.outputs["teams"]["vision"]["readerRoleArn"])
