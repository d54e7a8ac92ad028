"""The artifact store: the bucket that models, plots and files of every team land in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from documents import rendered
from policies import compare_artifacts, guard_artifacts, show_artifacts

ABORT_UPLOADS_AFTER_DAYS = 7
KEEP_OLD_VERSIONS_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class ArtifactStoreArgs:
    """What the artifact store is made from.

    Attributes:
        members: ARNs of the roles that write under a team's prefix as they are, by team.
        disposable: destroying the stack deletes the bucket and every artifact.
    """

    members: Mapping[str, tuple[str, ...]]
    disposable: bool


class ArtifactStore(pulumi.ComponentResource):
    """A private, encrypted, versioned bucket.

    Creates the bucket, its public access block, ownership controls, encryption, versioning, lifecycle rules
    and a policy that refuses callers without TLS and lets the teams' members in.

    Attributes:
        bucket: the bucket's name.
        arn: the bucket's ARN.
        reading: the IAM document of who may show every workspace's artifacts.
        comparing: the IAM document of who may read them as they were, too.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:artifact_store:ArtifactStore"

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    reading: pulumi.Output[str]
    comparing: pulumi.Output[str]

    def __init__(
        self, name: str, args: ArtifactStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        # Retained, not protected: `pulumi destroy` ends well and leaves the bucket behind, guarded as it was.
        self._child = pulumi.ResourceOptions(parent=self, retain_on_delete=not args.disposable)
        # A change of this name replaces the bucket; the artifacts stay in the old one.
        self._bucket = aws.s3.Bucket(f"{name}-bucket", force_destroy=args.disposable, opts=self._child)
        self._keep_private()
        self._encrypt()
        self._keep_versions()

        self.bucket = self._bucket.bucket
        self.arn = self._bucket.arn
        self.reading = rendered(show_artifacts, self.arn)
        self.comparing = rendered(compare_artifacts, self.arn)
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})

    def _keep_private(self) -> None:
        block = aws.s3.BucketPublicAccessBlock(
            f"{self._name}-public-access-block",
            bucket=self._bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        ownership = aws.s3.BucketOwnershipControls(
            f"{self._name}-ownership-controls",
            bucket=self._bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self._after(block),
        )
        aws.s3.BucketPolicy(
            f"{self._name}-policy",
            bucket=self._bucket.bucket,
            policy=rendered(guard_artifacts, self._bucket.arn, self._args.members),
            opts=self._after(ownership),
        )

    def _encrypt(self) -> None:
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=self._bucket.bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=self._child,
        )

    def _keep_versions(self) -> None:
        versioning = aws.s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=self._bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self._child,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=self._bucket.bucket,
            rules=[
                {
                    "id": "abort-incomplete-uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": ABORT_UPLOADS_AFTER_DAYS},
                },
                {
                    "id": "expire-old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": KEEP_OLD_VERSIONS_DAYS},
                },
            ],
            opts=self._after(versioning),
        )

    def _after(self, resource: pulumi.Resource) -> pulumi.ResourceOptions:
        """Return a child's options for a change that S3 refuses while it makes the other one."""
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[resource]))
