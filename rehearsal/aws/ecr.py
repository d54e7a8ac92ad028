"""Image repositories in ECR, and what may be asked of them."""

import base64
from datetime import UTC
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map
from rehearsal.aws.refusals import lifecycle_document

REPOSITORY = {"name": "repositoryName", "imageTagMutability": "imageTagMutability"}
REPOSITORY_DESCRIBED = {
    **REPOSITORY,
    "arn": "repositoryArn",
    "registryId": "registryId",
    "repositoryUrl": "repositoryUri",
}
SCANNING = {"scanOnPush": "scanOnPush"}
ENCRYPTION = {"encryptionType": "encryptionType"}


def create_repository(account: Account, inputs: Inputs) -> str:
    """Make a repository; its id is its name."""
    inputs.ignore("forceDelete")
    answer = account.client("ecr").create_repository(
        **inputs.take(REPOSITORY),
        imageScanningConfiguration=inputs.block("imageScanningConfiguration").take(SCANNING),
        tags=tag_list(inputs.get("tagsAll", {})),
    )
    return str(answer["repository"]["repositoryName"])


def read_repository(account: Account, identity: str) -> dict[str, Any]:
    """Describe a repository."""
    ecr = account.client("ecr")
    repository = only(ecr.describe_repositories(repositoryNames=[identity])["repositories"], identity)
    return {
        **shown(repository, REPOSITORY_DESCRIBED),
        "imageScanningConfiguration": shown(repository["imageScanningConfiguration"], SCANNING),
        "encryptionConfigurations": [shown(repository["encryptionConfiguration"], ENCRYPTION)],
        "tagsAll": tag_map(ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]),
    }


def create_lifecycle_policy(account: Account, inputs: Inputs) -> str:
    """Put a repository's lifecycle policy; its id is the repository's name."""
    answer = account.client("ecr").put_lifecycle_policy(
        repositoryName=inputs["repository"], lifecyclePolicyText=lifecycle_document(inputs["policy"])
    )
    return str(answer["repositoryName"])


def read_lifecycle_policy(account: Account, identity: str) -> dict[str, Any]:
    """Describe a repository's lifecycle policy."""
    policy = account.client("ecr").get_lifecycle_policy(repositoryName=identity)
    return shown(
        policy,
        {"repository": "repositoryName", "registryId": "registryId", "policy": "lifecyclePolicyText"},
    )


def repositories(account: Account, inputs: Inputs) -> dict[str, Any]:  # noqa: ARG001 - it takes none
    """List the repositories of the account; of none the provider says nothing at all."""
    pages = account.client("ecr").get_paginator("describe_repositories").paginate()
    names = [repository["repositoryName"] for page in pages for repository in page["repositories"]]
    return {"id": account.region, **({"names": names} if names else {})}


def images(account: Account, inputs: Inputs) -> dict[str, Any]:
    """List a repository's images, a tag at a time."""
    name = inputs["repositoryName"]
    pages = account.client("ecr").get_paginator("describe_images").paginate(repositoryName=name)
    found = [image for page in pages for image in page["imageDetails"]]
    return {
        "id": name,
        "repositoryName": name,
        "imageIds": [
            {"imageDigest": image["imageDigest"], **({"imageTag": tag} if tag else {})}
            for image in found
            for tag in image.get("imageTags") or [""]
        ],
    }


def authorization_token(account: Account, inputs: Inputs) -> dict[str, Any]:
    """Get the token that Docker logs in to the account's registry with."""
    registry = {"registryIds": [inputs["registryId"]]} if "registryId" in inputs else {}
    (data,) = account.client("ecr").get_authorization_token(**registry)["authorizationData"]
    username, password = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
    return {
        "id": account.region,
        "authorizationToken": data["authorizationToken"],
        "expiresAt": data["expiresAt"].astimezone(UTC).isoformat(),
        "proxyEndpoint": data["proxyEndpoint"],
        "userName": username,
        "password": password,
    }


HANDLERS = {
    "aws:ecr/repository:Repository": Handler(create_repository, read_repository),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Handler(create_lifecycle_policy, read_lifecycle_policy),
}
