import fnmatch
from collections.abc import Iterator
from typing import Any

import pytest

import policies
from policies import Document

BUCKET = "arn:aws:s3:::store"
LOGS = "arn:aws:logs:eu-west-1:111122223333:log-group:server"
INSTANCE = "arn:aws:rds:eu-west-1:111122223333:db:one"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:master"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking:1"
MEMBER = "arn:aws:iam::111122223333:role/jobs/training"
CHAT = "arn:aws:ssm:eu-west-1:111122223333:parameter/mlflow-tracking/prod/chat/vision"
PARAMETER = "arn:aws:ssm:eu-west-1:111122223333:parameter/mlflow-tracking/prod/access/teams/vision"
ACCESS_LIST = "/mlflow-tracking/prod/access"
READ = {"s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion"}
WRITE = {"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}
GRANTS = {
    "read": policies.read_team_artifacts(BUCKET, "vision"),
    "write": policies.write_team_artifacts(BUCKET, "vision"),
    "show": policies.show_artifacts(BUCKET),
    "admin": policies.read_all_artifacts(BUCKET),
    "compare": policies.compare_artifacts(BUCKET),
    "data": policies.use_data({"labels": True, "images": False}, "aws"),
    "access list": policies.read_access_list(PARAMETER, ACCESS_LIST),
    "chat": policies.read_parameter(CHAT),
    "log in": policies.log_in_to_database(INSTANCE, "db-ONE", "mlflow"),
    "secret": policies.read_secret(SECRET),
    "logs": policies.write_log_streams(LOGS, "task/*"),
    "flow logs": policies.deliver_flow_logs(LOGS),
    "image": policies.pull_image("arn:aws:ecr:eu-west-1:111122223333:repository/mlflow-tracking"),
}


def statements(document: Document) -> Iterator[dict[str, Any]]:
    assert document["Version"] == "2012-10-17"
    yield from document["Statement"]


def actions(document: Document) -> set[str]:
    return {action for statement in statements(document) for action in statement["Action"]}


def may(document: Document, action: str, resource: str) -> bool:
    """Judge as IAM does, conditions apart."""
    return any(
        action in statement["Action"]
        and any(fnmatch.fnmatchcase(resource, on) for on in statement["Resource"])
        for statement in statements(document)
    )


def test_reader_reads_and_writer_also_writes_but_nobody_deletes() -> None:
    assert actions(GRANTS["read"]) == READ
    assert actions(GRANTS["write"]) == READ | WRITE


@pytest.mark.parametrize("level", ["read", "write"])
@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("workspaces/vision/1/run/artifacts/model.pkl", True),
        ("workspaces/vision2/1/run", False),
        ("workspaces/speech/1/run", False),
        ("workspaces/vision", False),
        ("other", False),
    ],
)
def test_team_reaches_its_own_prefix_only(level: str, key: str, allowed: bool) -> None:  # noqa: FBT001
    assert may(GRANTS[level], "s3:GetObject", f"{BUCKET}/{key}") is allowed
    assert may(GRANTS[level], "s3:PutObject", f"{BUCKET}/{key}") is (allowed and level == "write")


@pytest.mark.parametrize(
    ("grant", "prefix"),
    [
        ("read", "workspaces/vision/*"),
        ("write", "workspaces/vision/*"),
        ("show", "workspaces/*"),
        ("admin", "workspaces/*"),
        ("compare", "workspaces/*"),
    ],
)
def test_bucket_is_listed_below_the_prefix_only(grant: str, prefix: str) -> None:
    listing = [one for one in statements(GRANTS[grant]) if "s3:ListBucket" in one["Action"]]
    assert [(one["Resource"], one["Condition"]) for one in listing] == [
        ([BUCKET], {"StringLike": {"s3:prefix": prefix}})
    ]


def test_server_shows_artifacts_and_changes_none() -> None:
    assert actions(GRANTS["show"]) == {"s3:ListBucket", "s3:GetObject"}


def test_the_restore_check_sees_old_versions_too_and_changes_none() -> None:
    assert actions(GRANTS["compare"]) == READ | {"s3:ListBucketVersions"}


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_database_login_names_the_instance_and_the_user(partition: str) -> None:
    document = policies.log_in_to_database(f"arn:{partition}:rds:r:111122223333:db:one", "db-ONE", "mlflow")
    assert may(document, "rds-db:connect", f"arn:{partition}:rds-db:r:111122223333:dbuser:db-ONE/mlflow")
    assert not may(
        document, "rds-db:connect", f"arn:{partition}:rds-db:r:111122223333:dbuser:db-ONE/mlflow_admin"
    )


@pytest.mark.parametrize("name", sorted(GRANTS))
def test_grants_name_actions_in_full_and_resources_where_aws_lets_them(name: str) -> None:
    for statement in statements(GRANTS[name]):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
        assert "*" not in statement["Resource"] or statement["Action"] == ["ecr:GetAuthorizationToken"]


@pytest.mark.parametrize("name", sorted(GRANTS))
def test_grants_hold_no_policy_variable(name: str) -> None:
    assert "${" not in str(GRANTS[name])


@pytest.mark.parametrize(
    ("image", "arn"),
    [
        (IMAGE, "arn:aws:ecr:eu-west-1:111122223333:repository/mlflow-tracking"),
        (
            "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com/a/b@sha256:00",
            "arn:aws-us-gov:ecr:us-gov-west-1:111122223333:repository/a/b",
        ),
        (
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/a:1",
            "arn:aws-cn:ecr:cn-north-1:111122223333:repository/a",
        ),
        ("ghcr.io/team/mlflow-tracking:1", None),
        ("mlflow-tracking:1", None),
    ],
)
def test_image_names_its_repository(image: str, arn: str | None) -> None:
    assert policies.repository_arn(image) == arn


def test_services_take_a_role_for_their_own_account_only() -> None:
    (statement,) = statements(policies.trust_service("ecs-tasks.amazonaws.com", LOGS))
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


def test_trust_names_exactly_the_principals() -> None:
    (statement,) = statements(policies.trust_principals(("111122223333", "arn:aws:iam::1:role/a")))
    assert statement["Principal"] == {"AWS": ["111122223333", "arn:aws:iam::1:role/a"]}
    assert statement["Action"] == "sts:AssumeRole"


def team_statements(team: str, **rest: Any) -> list[Document]:
    return [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [BUCKET],
            "Condition": {"StringLike": {"s3:prefix": f"workspaces/{team}/*"}},
            **rest,
        },
        {
            "Effect": "Allow",
            "Action": [
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            "Resource": [f"{BUCKET}/workspaces/{team}/*"],
            **rest,
        },
    ]


TLS_ONLY = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [BUCKET, f"{BUCKET}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def test_bucket_refuses_everybody_without_tls_and_lets_nobody_in() -> None:
    alone = {"Version": "2012-10-17", "Statement": [TLS_ONLY]}
    assert policies.guard_artifacts(BUCKET, {}) == alone
    assert policies.guard_artifacts(BUCKET, {"vision": ()}) == alone


def test_bucket_lets_each_teams_members_do_what_its_writers_do_and_no_more() -> None:
    members = {"vision": ("arn:b", "arn:a"), "robots": (), "speech": (MEMBER,)}
    assert policies.guard_artifacts(BUCKET, members) == {
        "Version": "2012-10-17",
        "Statement": [
            TLS_ONLY,
            *team_statements("speech", Principal={"AWS": [MEMBER]}),
            *team_statements("vision", Principal={"AWS": ["arn:a", "arn:b"]}),
        ],
    }
    assert GRANTS["write"]["Statement"] == team_statements("vision")


def test_admin_reads_every_teams_artifacts_and_writes_none() -> None:
    assert GRANTS["admin"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [BUCKET],
                "Condition": {"StringLike": {"s3:prefix": "workspaces/*"}},
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "Resource": [f"{BUCKET}/workspaces/*"],
            },
        ],
    }


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_data_buckets_are_read_and_only_some_written(partition: str) -> None:
    images, labels = f"arn:{partition}:s3:::images", f"arn:{partition}:s3:::labels"
    reading = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [images, labels]},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": [f"{images}/*", f"{labels}/*"],
        },
    ]
    writing = {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
        "Resource": [f"{labels}/*"],
    }
    assert policies.use_data({"labels": True, "images": False}, partition) == {
        "Version": "2012-10-17",
        "Statement": [*reading, writing],
    }
    assert policies.use_data({"labels": False, "images": False}, partition)["Statement"] == reading


def test_access_list_is_read_below_its_own_path_only() -> None:
    below = "arn:aws:ssm:eu-west-1:111122223333:parameter/mlflow-tracking/prod/access"
    assert GRANTS["access list"] == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["ssm:GetParametersByPath"], "Resource": [below, f"{below}/*"]}
        ],
    }
    assert not may(GRANTS["access list"], "ssm:GetParametersByPath", f"{below}-of-another/teams/vision")


def test_chat_is_one_parameter_that_is_read() -> None:
    assert actions(GRANTS["chat"]) == {"ssm:GetParameter"}
    assert may(GRANTS["chat"], "ssm:GetParameter", CHAT)
    assert not may(GRANTS["chat"], "ssm:GetParameter", f"{CHAT}2")
