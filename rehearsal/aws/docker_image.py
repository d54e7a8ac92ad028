"""The image that `docker-build:index:Image` builds and pushes: played by whoever builds, described by ECR."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only

IMAGE = "docker-build:index:Image"
REGISTRY = {"username": "username", "password": "password"}


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """What is declared of one build.

    Attributes:
        context: the folder that Docker is sent, with the Dockerfile in it.
        arguments: build arguments.
        labels: put on the image besides the Dockerfile's own.
        platform: such as linux/amd64.
        reference: where it is pushed: registry, repository and tag.
    """

    context: Path
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    platform: str
    reference: str


Build = Callable[[ImageBuild], str]


def image_handler(build: Build) -> Handler:
    """Return the handler of images that `build` builds and pushes; it returns the pushed image's digest."""

    def create(account: Account, inputs: Inputs) -> str:
        """Build and push; the id is repository@digest: ECR finds nothing by the provider's, the digest."""
        inputs.ignore("buildOnPreview")
        if inputs["push"] is not True or inputs.get("network", "default") != "default":
            raise ValueError("only an image that is pushed, built in the default network, is played")
        declared = ImageBuild(
            context=Path(inputs.block("context")["location"]),
            arguments=inputs.get("buildArgs", {}),
            labels=inputs.get("labels", {}),
            platform=only(inputs["platforms"], "platforms"),
            reference=only(inputs["tags"], "tags"),
        )
        host, _, name = declared.reference.partition("/")
        _refuse_other_credentials(account, host, only(inputs.blocks("registries"), "registries"))
        return f"{name.rsplit(':', 1)[0]}@{build(declared)}"

    return Handler(create, read_image)


def read_image(account: Account, identity: str) -> dict[str, Any]:
    """Describe a pushed image."""
    ecr = account.client("ecr")
    name, digest = identity.split("@")
    uri = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"]
    found = ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])["imageDetails"]
    image = only(found, identity)
    tags = [f"{uri}:{tag}" for tag in image["imageTags"]]
    return {"digest": image["imageDigest"], "tags": tags, "ref": f"{tags[0]}@{digest}"}


def _refuse_other_credentials(account: Account, host: str, registry: Inputs) -> None:
    """Refuse what ECR would: the emulator's registry takes everybody."""
    address = str(registry["address"]).partition("/")[0]
    (data,) = account.client("ecr").get_authorization_token()["authorizationData"]
    username, password = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
    if address != host or registry.take(REGISTRY) != {"username": username, "password": password}:
        raise ValueError(f"registries[0]: not the credentials that ECR gave for {host}")
