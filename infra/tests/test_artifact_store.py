import json
from typing import Any

import pytest

from infra.tests.conftest import MEMBER
from policies import guard_artifacts
from rehearsal.deployment import Deployment, Resource

pytestmark = pytest.mark.rehearsal


def parts(stack: Deployment) -> list[Resource]:
    return [resource for resource in stack.resources if resource.type.startswith("aws:s3/")]


def policy_of(stack: Deployment) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(stack.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    return policy


def test_bucket_outlives_destroy_with_all_that_guards_it(stack: Deployment) -> None:
    assert len(parts(stack)) == 7
    assert all(resource.options.retain_on_delete for resource in parts(stack))
    assert not any(resource.options.protect for resource in parts(stack))
    assert stack.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is False


def test_disposable_bucket_goes_with_its_artifacts(cheap_stack: Deployment) -> None:
    assert not any(resource.options.retain_on_delete for resource in parts(cheap_stack))
    assert cheap_stack.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is True


def test_public_access_is_blocked_in_all_four_ways(stack: Deployment) -> None:
    inputs = stack.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    ways = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(inputs[way] is True for way in ways)


def test_bucket_is_owner_enforced_encrypted_and_versioned(stack: Deployment) -> None:
    ownership = stack.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    encryption = stack.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs
    assert encryption["rules"] == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    versioning = stack.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}


def test_old_versions_and_abandoned_uploads_end_but_artifacts_do_not(stack: Deployment) -> None:
    rules = stack.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    assert {rule["id"]: rule["status"] for rule in rules} == {
        "abort-incomplete-uploads": "Enabled",
        "expire-old-versions": "Enabled",
    }
    assert not any("expiration" in rule or "transitions" in rule for rule in rules)
    abort, expire = rules
    assert abort["abortIncompleteMultipartUpload"]["daysAfterInitiation"] <= 30
    assert expire["noncurrentVersionExpiration"]["noncurrentDays"] >= 30


def test_bucket_policy_refuses_callers_without_tls_and_lets_nobody_in_by_itself(stack: Deployment) -> None:
    assert policy_of(stack) == guard_artifacts(stack.one("aws:s3/bucket:Bucket").outputs["arn"], {})


def test_bucket_policy_lets_members_in(public_stack: Deployment) -> None:
    arn = public_stack.one("aws:s3/bucket:Bucket").outputs["arn"]
    policy = policy_of(public_stack)
    assert policy == guard_artifacts(arn, {"vision": (MEMBER,)})
    assert len(policy["Statement"]) == 3
