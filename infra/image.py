"""The tracking server's image: built from server/ and pushed once for each content, or a ready one.

A repository whose tags never change refuses a tag that it has (moby/buildkit#3776), and what is built again
has another digest. Pulumi's provider would push again whenever its state says so, and the state knows too
little (pulumi/pulumi-docker-build, provider/internal):

- image.go, Diff: compares the folder's path, the labels, and a hash of its own that counts every mode bit;
- image.go, Read: looks the tag up with the registry token that the state keeps, and ECR's end after twelve
  hours: a later `pulumi refresh` drops the image, and the next up would push the tag again;
- image.go, Update: another content is built and pushed in the place of the one before, so that going back
  (A, B, A) would push A's tag again.

So ECR is asked, not the state. The tag is a hash of the content (image_content.py). Where ECR has it, that
image is deployed by its digest, no build is declared, and nobody needs Docker. Where it does not, the build
is declared. The price: the `pulumi up` after a build shows the build's record leaving the state. It is
retained then, since client.go, Delete, removes the image from the local Docker *and* from the registry.

What else the provider does, and what follows:

- host.go: it does not use Docker's own driver but starts BuildKit in a container (from Docker Hub, unless
  there is a builder already): any Docker will do, and a base that only the local Docker has will not;
- client.go, Build: it attaches no provenance, so that one platform is one manifest, pushed once: `push` alone
  suffices for immutable tags (an index under one tag was refused until moby/buildkit#2020);
- cli.go, wrap: `registries` comes before what the machine is logged in to, for this build alone; image.go,
  Diff, overlooks the password, which is another one each time;
- image.go, Create: in a preview without `build_on_preview` it only reads the folder and the Dockerfile.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from authorities import authorities_fault
from docker_engine import docker_fault
from documents import rendered
from faults import WrongSettingsError, ending_with_faults
from image_content import content_tag, git_labels
from policies import Document, pull_image, repository_arn

SERVER = Path(__file__).parent.parent / "server"
PLATFORM = docker_build.Platform.LINUX_AMD64
# The newest by their push, whatever runs: after 30 later ones, an image that was gone back to may expire.
KEPT_IMAGES = 30


@dataclass(frozen=True, kw_only=True)
class ImageArgs:
    """What the image is made from.

    Attributes:
        ready: the image to run instead of building one; empty to build.
        base: the base instead of the Dockerfile's own; empty for that.
        region: AWS region of the database that the server logs in to.
    """

    ready: str
    base: str
    region: str


class Image(pulumi.ComponentResource):
    """An image in ECR, unless a ready one is named.

    Creates the repository, its lifecycle policy and, where the repository lacks the image, the build. For a
    ready image nothing, unless it lies in the stack's own repository, which stays then.

    Attributes:
        reference: the image, by digest unless it is a ready one.
        pulling: the IAM document of who may pull it; None for a ready one outside ECR.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:image:Image"

    reference: pulumi.Output[str]
    pulling: pulumi.Output[str] | None

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        self._name = name
        self._arguments = {"BASE": args.base} if args.base else {}
        self._tag, self._digest = ("", "") if args.ready else self._looked_up(args.region)
        super().__init__(self.TYPE, name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        if args.ready:
            arn = repository_arn(args.ready)
            if arn and arn.endswith(f":repository/{repository_name()}"):
                self._repository()
            self.reference = pulumi.Output.from_input(args.ready)
            self.pulling = rendered(pull_image, arn) if arn else None
        else:
            repository = self._repository()
            digest = self._digest or self._build(repository).digest
            self.reference = pulumi.Output.concat(repository.repository_url, "@", digest)
            self.pulling = rendered(pull_image, repository.arn)
        self.register_outputs({"reference": self.reference})

    def _looked_up(self, region: str) -> tuple[str, str]:
        """Return the content's tag and its digest in ECR; before anything is made, it must be of use."""
        tag = content_tag(SERVER, platform=PLATFORM.value, arguments=self._arguments)
        digest = pushed_digest(repository_name(), tag)
        faults = [authorities_fault(region), None if digest else docker_fault()]
        with ending_with_faults():
            if any(faults):
                raise WrongSettingsError([fault for fault in faults if fault])
        return tag, digest

    def _repository(self) -> aws.ecr.Repository:
        repository = aws.ecr.Repository(
            f"{self._name}-repository",
            name=repository_name(),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            force_delete=True,  # images are made again from server/
            opts=self._child,
        )
        aws.ecr.LifecyclePolicy(
            f"{self._name}-lifecycle",
            repository=repository.name,
            policy=json.dumps(keep_newest(KEPT_IMAGES)),
            opts=self._child,
        )
        return repository

    def _build(self, repository: aws.ecr.Repository) -> docker_build.Image:
        token = aws.ecr.get_authorization_token_output(registry_id=repository.registry_id)
        return docker_build.Image(
            f"{self._name}-build",
            context={"location": str(SERVER)},
            build_args=self._arguments,
            labels=git_labels(SERVER),
            platforms=[PLATFORM],
            tags=[pulumi.Output.concat(repository.repository_url, ":", self._tag)],
            push=True,
            build_on_preview=False,
            registries=[
                {
                    "address": repository.repository_url,
                    "username": token.user_name,
                    "password": pulumi.Output.secret(token.password),
                }
            ],
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )


def repository_name() -> str:
    """Return the stack's repository: fixed, so that it can be asked before the stack is there."""
    return fit_for_ecr(f"{pulumi.get_project()}-{pulumi.get_stack()}")


def keep_newest(count: int) -> Document:
    """Return the lifecycle policy that expires all images but the newest."""
    return {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
                "action": {"type": "expire"},
            }
        ]
    }


def fit_for_ecr(name: str) -> str:
    """Return a name in ECR's letters: small ones and digits, in words joined by single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def pushed_digest(repository: str, tag: str) -> str:
    """Return the digest of the image that ECR has under a tag, nothing when it has none."""
    # Where there is none at all, the provider answers null (hashicorp/terraform-provider-aws#49326).
    if repository not in (aws.ecr.get_repositories().names or ()):
        return ""
    images = aws.ecr.get_images(repository_name=repository).image_ids or ()
    return next((image.image_digest for image in images if image.image_tag == tag), "")
