"""Buckets and their settings; each setting is a resource whose id is the bucket's name."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map
from rehearsal.aws.refusals import policy_document

BUCKET_NAME_LENGTH = 63
PUBLIC_ACCESS = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}
ENCRYPTION_DEFAULT = {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}
LIFECYCLE_RULE = {"id": "ID", "status": "Status"}
LIFECYCLE_BLOCKS: dict[str, tuple[str, dict[str, str]]] = {
    "filter": ("Filter", {"prefix": "Prefix"}),
    "abortIncompleteMultipartUpload": (
        "AbortIncompleteMultipartUpload",
        {"daysAfterInitiation": "DaysAfterInitiation"},
    ),
    "noncurrentVersionExpiration": ("NoncurrentVersionExpiration", {"noncurrentDays": "NoncurrentDays"}),
    "expiration": ("Expiration", {"expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}),
}


def create_bucket(account: Account, inputs: Inputs) -> str:
    """Make a bucket in the client's region."""
    s3 = account.client("s3")
    name = inputs.autoname("bucket", longest=BUCKET_NAME_LENGTH)
    inputs.ignore("forceDestroy")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": account.region})
    tags = tag_list(inputs.get("tagsAll", {}))
    if tags:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    return name


def read_bucket(account: Account, identity: str) -> dict[str, Any]:
    """Describe a bucket."""
    s3 = account.client("s3")
    region = s3.head_bucket(Bucket=identity)["BucketRegion"]
    return {
        "bucket": identity,
        "arn": f"arn:aws:s3:::{identity}",
        "region": region,
        "bucketRegionalDomainName": f"{identity}.s3.{region}.amazonaws.com",
        "tagsAll": tag_map(s3.get_bucket_tagging(Bucket=identity)["TagSet"]),
    }


def create_public_access_block(account: Account, inputs: Inputs) -> str:
    """Block public access."""
    account.client("s3").put_public_access_block(
        Bucket=inputs["bucket"], PublicAccessBlockConfiguration=inputs.take(PUBLIC_ACCESS)
    )
    return str(inputs["bucket"])


def read_public_access_block(account: Account, identity: str) -> dict[str, Any]:
    """Describe what is blocked."""
    answer = account.client("s3").get_public_access_block(Bucket=identity)
    return {"bucket": identity, **shown(answer["PublicAccessBlockConfiguration"], PUBLIC_ACCESS)}


def create_ownership_controls(account: Account, inputs: Inputs) -> str:
    """Say who owns what is written."""
    rule = inputs.block("rule").take({"objectOwnership": "ObjectOwnership"})
    account.client("s3").put_bucket_ownership_controls(
        Bucket=inputs["bucket"], OwnershipControls={"Rules": [rule]}
    )
    return str(inputs["bucket"])


def read_ownership_controls(account: Account, identity: str) -> dict[str, Any]:
    """Describe who owns what is written."""
    answer = account.client("s3").get_bucket_ownership_controls(Bucket=identity)
    rule = only(answer["OwnershipControls"]["Rules"], f"ownership rules of {identity}")
    return {"bucket": identity, "rule": shown(rule, {"objectOwnership": "ObjectOwnership"})}


def create_encryption(account: Account, inputs: Inputs) -> str:
    """Encrypt by default."""
    rules = [
        {
            **rule.take({"bucketKeyEnabled": "BucketKeyEnabled"}),
            "ApplyServerSideEncryptionByDefault": rule.block("applyServerSideEncryptionByDefault").take(
                ENCRYPTION_DEFAULT
            ),
        }
        for rule in inputs.blocks("rules")
    ]
    account.client("s3").put_bucket_encryption(
        Bucket=inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )
    return str(inputs["bucket"])


def read_encryption(account: Account, identity: str) -> dict[str, Any]:
    """Describe the default encryption."""
    answer = account.client("s3").get_bucket_encryption(Bucket=identity)
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return {
        "bucket": identity,
        "rules": [
            {
                **shown(rule, {"bucketKeyEnabled": "BucketKeyEnabled"}),
                "applyServerSideEncryptionByDefault": shown(
                    rule["ApplyServerSideEncryptionByDefault"], ENCRYPTION_DEFAULT
                ),
            }
            for rule in rules
        ],
    }


def create_versioning(account: Account, inputs: Inputs) -> str:
    """Keep versions."""
    account.client("s3").put_bucket_versioning(
        Bucket=inputs["bucket"],
        VersioningConfiguration=inputs.block("versioningConfiguration").take({"status": "Status"}),
    )
    return str(inputs["bucket"])


def read_versioning(account: Account, identity: str) -> dict[str, Any]:
    """Describe whether versions are kept."""
    answer = account.client("s3").get_bucket_versioning(Bucket=identity)
    return {"bucket": identity, "versioningConfiguration": shown(answer, {"status": "Status"})}


def create_lifecycle(account: Account, inputs: Inputs) -> str:
    """Set the lifecycle rules."""
    rules = [
        rule.take(LIFECYCLE_RULE)
        | {api: rule.block(key).take(names) for key, (api, names) in LIFECYCLE_BLOCKS.items() if key in rule}
        for rule in inputs.blocks("rules")
    ]
    account.client("s3").put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules}
    )
    return str(inputs["bucket"])


def read_lifecycle(account: Account, identity: str) -> dict[str, Any]:
    """Describe the lifecycle rules."""
    answer = account.client("s3").get_bucket_lifecycle_configuration(Bucket=identity)
    return {
        "bucket": identity,
        "rules": [
            shown(rule, LIFECYCLE_RULE)
            | {key: shown(rule[api], names) for key, (api, names) in LIFECYCLE_BLOCKS.items() if api in rule}
            for rule in answer["Rules"]
        ],
    }


def create_policy(account: Account, inputs: Inputs) -> str:
    """Set the bucket policy."""
    account.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=policy_document(inputs["policy"]))
    return str(inputs["bucket"])


def read_policy(account: Account, identity: str) -> dict[str, Any]:
    """Describe the bucket policy."""
    return {
        "bucket": identity,
        "policy": account.client("s3").get_bucket_policy(Bucket=identity)["Policy"],
    }


HANDLERS = {
    "aws:s3/bucket:Bucket": Handler(create_bucket, read_bucket),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Handler(
        create_public_access_block, read_public_access_block
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Handler(
        create_ownership_controls, read_ownership_controls
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Handler(
        create_encryption, read_encryption
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Handler(create_versioning, read_versioning),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Handler(
        create_lifecycle, read_lifecycle
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Handler(create_policy, read_policy),
}
