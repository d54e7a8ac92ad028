"""What the deployed stack lets others do than its teams' own people: members, admins, the server's task."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlflow_team.chat.address import UNSET
from rehearsal.aws.cloud import EmulatedAws
from rehearsal.deployment import Deployment
from rehearsal.emulator import Emulator
from rehearsal.tests.conftest import preview_and_up

pytestmark = pytest.mark.rehearsal

OWN, OTHER = "workspaces/vision/1/run/artifacts/note.txt", "workspaces/speech/1/run/artifacts/note.txt"
BUCKETS = ("images-of-vision", "labels-of-vision", "faces-of-others")
TRUST_ROOT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}

Call = Callable[[Any, str], Any]


def client(emulator: Emulator, service: str, role_arn: str) -> Any:
    """Return a client of a session of the role, which the account's root takes."""
    taken = emulator.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
    return emulator.client(
        service,
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
    )


@pytest.fixture(scope="module")
def jobs(emulator: Emulator) -> dict[str, str]:
    """Roles without a right of their own: one is a member of vision, the other of nothing."""
    iam = emulator.client("iam")
    return {
        name: iam.create_role(RoleName=name, Path="/jobs/", AssumeRolePolicyDocument=json.dumps(TRUST_ROOT))[
            "Role"
        ]["Arn"]
        for name in ("vision-job", "stray-job")
    }


@pytest.fixture(scope="module")
def stack(
    emulator: Emulator,
    cloud: EmulatedAws,
    stack_config: Callable[..., dict[str, Any]],
    jobs: dict[str, str],
) -> Deployment:
    root = "arn:aws:iam::000000000000:root"
    vision = {
        "writers": [root],
        "members": [jobs["vision-job"]],
        "dataBuckets": {"images-of-vision": "read", "labels-of-vision": "read-write"},
    }
    config = stack_config(
        teams={"vision": vision, "speech": {"writers": [root]}}, admins=[root], disposable=True
    )
    deployment = preview_and_up(cloud, config)[1]
    s3, bucket = emulator.client("s3"), deployment.outputs["artifactBucket"]
    for key in (OWN, OTHER, "elsewhere.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"theirs")
    for name in BUCKETS:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket=name, Key="a/b", Body=b"data")
    return deployment


@pytest.fixture(scope="module")
def s3_of(emulator: Emulator, stack: Deployment, jobs: dict[str, str]) -> dict[str, Any]:
    """S3 as each of them."""
    vision = stack.outputs["teams"]["vision"]
    arns = {
        **jobs,
        "admin": stack.outputs["adminRoleArn"],
        "vision-writer": vision["writerRoleArn"],
        "vision-reader": vision["readerRoleArn"],
    }
    return {who: client(emulator, "s3", arn) for who, arn in arns.items()}


def assert_judged(call: Call, s3: Any, bucket: str, *, allowed: bool) -> None:
    if allowed:
        call(s3, bucket)
        return
    with pytest.raises(ClientError) as refusal:
        call(s3, bucket)
    assert refusal.value.response["Error"]["Code"] == "AccessDenied"


ARTIFACTS: dict[str, Call] = {
    "get own": lambda s3, bucket: s3.get_object(Bucket=bucket, Key=OWN),
    "list own": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket, Prefix="workspaces/vision/1/"),
    "put own": lambda s3, bucket: s3.put_object(Bucket=bucket, Key=OWN, Body=b"new"),
    "begin own": lambda s3, bucket: s3.create_multipart_upload(Bucket=bucket, Key=OWN),
    "delete own": lambda s3, bucket: s3.delete_object(Bucket=bucket, Key=OWN),
    "get other": lambda s3, bucket: s3.get_object(Bucket=bucket, Key=OTHER),
    "put other": lambda s3, bucket: s3.put_object(Bucket=bucket, Key=OTHER, Body=b"new"),
    "list other": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket, Prefix="workspaces/speech/"),
    "list root": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket),
    "get elsewhere": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="elsewhere.txt"),
    "own the policy": lambda s3, bucket: s3.delete_bucket_policy(Bucket=bucket),
}
READ_OWN = {"get own", "list own"}
MAY: dict[str, set[str]] = {
    "vision-job": {*READ_OWN, "put own", "begin own"},
    "stray-job": set(),
    "admin": {*READ_OWN, "get other", "list other"},
}


@pytest.mark.parametrize("what", ARTIFACTS)
@pytest.mark.parametrize("who", MAY)
def test_member_writes_as_a_writer_and_admin_only_reads(
    s3_of: dict[str, Any], stack: Deployment, who: str, what: str
) -> None:
    bucket = stack.outputs["artifactBucket"]
    assert_judged(ARTIFACTS[what], s3_of[who], bucket, allowed=what in MAY[who])


DATA: dict[str, Call] = {
    "get": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="a/b"),
    "list": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket),
    "put": lambda s3, bucket: s3.put_object(Bucket=bucket, Key="a/c", Body=b""),
    "delete": lambda s3, bucket: s3.delete_object(Bucket=bucket, Key="a/b"),
}
MAY_WITH_DATA = {
    ("vision-writer", "images-of-vision"): {"get", "list"},
    ("vision-writer", "labels-of-vision"): {"get", "list", "put"},
    ("vision-writer", "faces-of-others"): set(),
    ("vision-reader", "images-of-vision"): {"get", "list"},
    ("vision-reader", "labels-of-vision"): {"get", "list"},
    ("vision-reader", "faces-of-others"): set(),
    ("admin", "labels-of-vision"): set(),
    # Its own role brings its own rights.
    ("vision-job", "labels-of-vision"): set(),
}


@pytest.mark.parametrize("what", DATA)
@pytest.mark.parametrize(("who", "bucket"), MAY_WITH_DATA)
def test_data_buckets_open_for_the_teams_roles_only(
    s3_of: dict[str, Any], who: str, bucket: str, what: str
) -> None:
    assert_judged(DATA[what], s3_of[who], bucket, allowed=what in MAY_WITH_DATA[who, bucket])


@pytest.fixture(scope="module")
def task_ssm(emulator: Emulator, stack: Deployment) -> Any:
    """Return SSM as the server's task; that the account's root may take its role is the rehearsal's doing."""
    (role,) = [r for r in stack.of_type("aws:iam/role:Role") if r.name == "tracking-server-task-role"]
    emulator.client("iam").update_assume_role_policy(
        RoleName=role.outputs["name"], PolicyDocument=json.dumps(TRUST_ROOT)
    )
    return client(emulator, "ssm", role.outputs["arn"])


def path_of(stack: Deployment) -> str:
    return f"/mlflow-tracking/{stack.stack}/access"


def test_task_reads_the_whole_list_page_by_page(task_ssm: Any, stack: Deployment) -> None:
    pages = task_ssm.get_paginator("get_parameters_by_path").paginate(
        Path=path_of(stack), Recursive=True, PaginationConfig={"PageSize": 1}
    )
    read = {p["Name"]: p["Value"] for page in pages for p in page["Parameters"]}
    named = {str(p.inputs["name"]): p for p in stack.of_type("aws:ssm/parameter:Parameter")}
    below = {name: p for name, p in named.items() if name.startswith(path_of(stack))}
    assert read == {name: p.inputs["insecureValue"] for name, p in below.items()}
    assert len(read) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/mlflow-tracking",
        "/mlflow-tracking/{stack}",
        "/mlflow-tracking/{stack}/access-of-another",
        "/mlflow-tracking/{stack}/chat",
        "/other",
    ],
)
def test_task_reads_no_other_parameters(task_ssm: Any, stack: Deployment, path: str) -> None:
    assert_refused(task_ssm.get_parameters_by_path, Path=path.format(stack=stack.stack), Recursive=True)


@pytest.mark.parametrize("operation", ["get_parameter", "put_parameter", "delete_parameter"])
def test_task_changes_nothing_in_the_list(task_ssm: Any, stack: Deployment, operation: str) -> None:
    more = {"Value": "{}", "Overwrite": True} if operation == "put_parameter" else {}
    assert_refused(getattr(task_ssm, operation), Name=f"{path_of(stack)}/teams/vision", **more)


def chat_of(stack: Deployment, team: str) -> str:
    return str(stack.outputs["teams"][team]["chatParameter"])


@pytest.mark.parametrize(
    "who", ["vision-writer", "vision-reader", "vision-job", "speech-writer", "admin", "task"]
)
def test_chats_address_is_read_by_its_teams_writers_only(
    emulator: Emulator, stack: Deployment, jobs: dict[str, str], task_ssm: Any, who: str
) -> None:
    teams = stack.outputs["teams"]
    arns = {
        **jobs,
        "admin": stack.outputs["adminRoleArn"],
        **{
            f"{team}-{level}": teams[team][f"{level}RoleArn"]
            for team in teams
            for level in ("writer", "reader")
        },
    }
    ssm = task_ssm if who == "task" else client(emulator, "ssm", arns[who])
    if who == "vision-writer":
        read = ssm.get_parameter(Name=chat_of(stack, "vision"), WithDecryption=True)["Parameter"]
        assert (read["Type"], read["Value"]) == ("SecureString", UNSET)
    else:
        assert_refused(ssm.get_parameter, Name=chat_of(stack, "vision"), WithDecryption=True)


@pytest.mark.parametrize("operation", ["put_parameter", "delete_parameter", "get_parameter_history"])
def test_writer_changes_no_chat_and_sees_no_former_address(
    emulator: Emulator, stack: Deployment, operation: str
) -> None:
    ssm = client(emulator, "ssm", stack.outputs["teams"]["vision"]["writerRoleArn"])
    more = {"Value": "https://elsewhere", "Overwrite": True} if operation == "put_parameter" else {}
    assert_refused(getattr(ssm, operation), Name=chat_of(stack, "vision"), **more)


def assert_refused(call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
