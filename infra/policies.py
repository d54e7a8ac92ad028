"""IAM documents, each naming the least that its bearer needs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]

# Below this prefix MLflow puts each workspace's artifacts; a team's workspace bears the team's name.
WORKSPACES = "workspaces"

READ_OBJECTS = ("s3:GetObject", "s3:GetObjectVersion")
# Multipart uploads begin and end by PutObject. No delete: versioning undoes an overwrite.
WRITE_OBJECTS = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")

ECR_IMAGE = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?P<china>\.cn)?"
    r"/(?P<repository>[a-z0-9._/-]+)[:@]"
)


def document(*statements: Document) -> Document:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, on: list[str], **rest: Any) -> Document:
    """Return a statement that allows the actions on the resources."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **rest}


def trust_service(service: str, neighbour_arn: str) -> Document:
    """Let an AWS service take the role, for the account alone that owns the neighbouring resource."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": _account(neighbour_arn)}},
        }
    )


def trust_principals(principals: tuple[str, ...]) -> Document:
    """Let these account ids and IAM ARNs assume the role."""
    return document({"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole"})


def guard_artifacts(bucket_arn: str, members: Mapping[str, Iterable[str]]) -> Document:
    """Refuse everybody who does not come over TLS; let each team's members write, as its writers do."""
    return document(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        *(
            {**statement, "Principal": {"AWS": sorted(arns)}}
            for team, arns in sorted(members.items())
            if arns
            for statement in write_team_artifacts(bucket_arn, team)["Statement"]
        ),
    )


def read_team_artifacts(bucket_arn: str, team: str) -> Document:
    """List and read what lies under the team's prefix."""
    prefix = f"{WORKSPACES}/{team}/*"
    return document(_list_bucket(bucket_arn, prefix), allow(*READ_OBJECTS, on=[f"{bucket_arn}/{prefix}"]))


def write_team_artifacts(bucket_arn: str, team: str) -> Document:
    """List, read and write under the team's prefix; delete nothing."""
    prefix = f"{WORKSPACES}/{team}/*"
    return document(
        _list_bucket(bucket_arn, prefix),
        allow(*READ_OBJECTS, *WRITE_OBJECTS, on=[f"{bucket_arn}/{prefix}"]),
    )


def show_artifacts(bucket_arn: str) -> Document:
    """List and read every workspace's artifacts, as the server does for the UI."""
    prefix = f"{WORKSPACES}/*"
    return document(_list_bucket(bucket_arn, prefix), allow("s3:GetObject", on=[f"{bucket_arn}/{prefix}"]))


def read_all_artifacts(bucket_arn: str) -> Document:
    """List and read every workspace's artifacts and their versions, as the platform team does."""
    prefix = f"{WORKSPACES}/*"
    return document(_list_bucket(bucket_arn, prefix), allow(*READ_OBJECTS, on=[f"{bucket_arn}/{prefix}"]))


def compare_artifacts(bucket_arn: str) -> Document:
    """List and read every workspace's artifacts, as they are and as they were."""
    prefix = f"{WORKSPACES}/*"
    return document(
        allow(
            "s3:ListBucket",
            "s3:ListBucketVersions",
            on=[bucket_arn],
            Condition={"StringLike": {"s3:prefix": prefix}},
        ),
        allow(*READ_OBJECTS, on=[f"{bucket_arn}/{prefix}"]),
    )


def use_data(buckets: Mapping[str, bool], partition: str) -> Document:
    """List and read whole buckets, and write those that say so; delete nothing.

    Args:
        buckets: whether it may be written, by bucket.
        partition: of AWS, as the second part of every ARN.
    """
    arns = {f"arn:{partition}:s3:::{name}": writable for name, writable in sorted(buckets.items())}
    written = [f"{arn}/*" for arn, writable in arns.items() if writable]
    return document(
        allow("s3:ListBucket", on=[*arns]),
        allow(*READ_OBJECTS, on=[f"{arn}/*" for arn in arns]),
        *([allow(*WRITE_OBJECTS, on=written)] if written else []),
    )


def read_access_list(parameter_arn: str, path: str) -> Document:
    """Read every SSM parameter below a path, given the ARN of one of them."""
    all_below = f"{parameter_arn.partition(':parameter/')[0]}:parameter{path}"
    return document(allow("ssm:GetParametersByPath", on=[all_below, f"{all_below}/*"]))


def read_parameter(parameter_arn: str) -> Document:
    """Read one SSM parameter; AWS's own key for SSM decrypts for whoever may read."""
    return document(allow("ssm:GetParameter", on=[parameter_arn]))


def log_in_to_database(instance_arn: str, resource_id: str, user: str) -> Document:
    """Log in to one RDS instance as one database user, with IAM tokens."""
    partition, _, region, account = instance_arn.split(":")[1:5]
    return document(
        allow("rds-db:connect", on=[f"arn:{partition}:rds-db:{region}:{account}:dbuser:{resource_id}/{user}"])
    )


def read_secret(secret_arn: str) -> Document:
    """Read one secret."""
    return document(allow("secretsmanager:GetSecretValue", on=[secret_arn]))


def write_log_streams(log_group_arn: str, streams: str) -> Document:
    """Write the streams of one log group whose names fit the pattern."""
    return document(
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=[f"{log_group_arn}:log-stream:{streams}"])
    )


def deliver_flow_logs(log_group_arn: str) -> Document:
    """Write VPC flow logs to one log group; the service looks for group and streams before it writes."""
    return document(
        allow(
            "logs:CreateLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            on=[f"{log_group_arn}:*"],
        )
    )


def pull_image(repository_arn: str) -> Document:
    """Pull from one private ECR repository."""
    return document(
        # AWS defines no resource for this action: it cannot be narrowed.
        allow("ecr:GetAuthorizationToken", on=["*"]),
        allow(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            on=[repository_arn],
        ),
    )


def repository_arn(image: str) -> str | None:
    """Return the ARN of the private ECR repository that an image reference names, if it names one."""
    match = ECR_IMAGE.match(image)
    if match is None:
        return None
    region = match["region"]
    partition = "aws-cn" if match["china"] else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    return f"arn:{partition}:ecr:{region}:{match['account']}:repository/{match['repository']}"


def _list_bucket(bucket_arn: str, prefix: str) -> Document:
    return allow("s3:ListBucket", on=[bucket_arn], Condition={"StringLike": {"s3:prefix": prefix}})


def _account(arn: str) -> str:
    return arn.split(":")[4]
