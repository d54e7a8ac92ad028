"""The image for real: Docker builds what is declared and pushes it to the emulated, immutable repository."""

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.client import DockerClient

from image import PLATFORM
from image_content import content_tag, sent_files
from rehearsal.aws.cloud import EmulatedAws
from rehearsal.aws.comparison import EXCEPTIONS
from rehearsal.aws.docker_image import IMAGE, ImageBuild
from rehearsal.deployment import Deployment, Resource
from rehearsal.emulator import REGION, Emulator
from rehearsal.engine import deploy
from rehearsal.image_build import ImageBuildError, build_and_push, registry_reference
from rehearsal.project import Project
from rehearsal.tests.conftest import ROOT
from server.tests.image import NAME

pytestmark = pytest.mark.container

REPOSITORY = "aws:ecr/repository:Repository"
# The Image box alone: the rest of the stack has no state here, and would be made anew at each deployment.
PROGRAM = """\
import pulumi
from image import Image, ImageArgs
box = Image("image", ImageArgs(ready="", base=pulumi.Config().get("baseImage") or "", region="eu-west-1"))
pulumi.export("image", box.reference)
"""
JUNK = (
    "__pycache__/x.pyc",
    ".DS_Store",
    ".idea/workspace.xml",
    "notes.txt",
    "tests/test_x.py",
    "tracking_server/.main.py.swp",
    "tracking_server/.DS_Store",
    "tracking_server/__main__.py~",
    "tracking_server/__pycache__/x.pyc",
    "tracking_server/deeper/__pycache__/x.cpython-312.pyc",
)
ONLY_COPY = "FROM scratch\nCOPY . /\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Return the server's folder as a checkout in use has it."""
    folder = shutil.copytree(ROOT / "server", tmp_path / "server")
    for name in JUNK:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("junk")
    return folder


def in_image(engine: DockerClient, context: Path) -> dict[str, tuple[bool, bytes]]:
    """Return what a `COPY .` puts into an image by Docker's own reading of .dockerignore: name to content."""
    name = f"{NAME}:sent"  # a killed run's is overwritten
    # Not by the SDK: its reading of .dockerignore is the one on trial.
    build = ["docker", "build", "--quiet", "--tag", name, "--file", "-", context]
    subprocess.run(build, input=ONLY_COPY, text=True, check=True, capture_output=True)
    try:
        saved = b"".join(engine.images.get(name).save())
    finally:
        engine.images.remove(name)
    with tarfile.open(fileobj=io.BytesIO(saved)) as image:
        (manifest,) = json.loads(_content(image, "manifest.json"))
        (layer,) = manifest["Layers"]
        with tarfile.open(fileobj=io.BytesIO(_content(image, layer))) as files:
            return {member.name: _in_layer(files, member) for member in files if not member.isdir()}


def _in_layer(files: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[bool, bytes]:
    if member.issym():
        return False, member.linkname.encode()
    return bool(member.mode & stat.S_IXUSR), _content(files, member)


def _content(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def on_disk(file: Path) -> tuple[bool, bytes]:
    if file.is_symlink():
        return False, str(file.readlink()).encode()
    return bool(file.stat().st_mode & stat.S_IXUSR), file.read_bytes()


def test_what_is_hashed_is_what_docker_is_sent(engine: DockerClient, context: Path) -> None:
    (context / "tracking_server/run.py").write_text("#!/usr/bin/env python\n")
    (context / "tracking_server/run.py").chmod(0o755)
    (context / "tracking_server/link.py").symlink_to("run.py")
    found = in_image(engine, context)
    assert {"Dockerfile", "tracking_server/run.py", "tracking_server/link.py"} <= set(found)
    assert found == {name: on_disk(context / name) for name in sent_files(context)}


def test_caches_tests_and_editors_files_are_not_sent_and_change_no_tag(context: Path) -> None:
    assert [name for name in sent_files(context) if (context / name).read_bytes() == b"junk"] == []
    clean = content_tag(ROOT / "server", platform="linux/amd64", arguments={})
    assert content_tag(context, platform="linux/amd64", arguments={}) == clean


@dataclass(kw_only=True)
class Checkout:
    """A copy of the program and the server, deployed again and again into one account.

    Attributes:
        folder: the copy.
        builds: what was built, in order.
    """

    folder: Path
    emulator: Emulator
    builds: list[ImageBuild] = field(default_factory=list)

    def up(self) -> Deployment:
        """Deploy; Pulumi's state would keep the repository, so what is there is not made again."""
        build_image = build_and_push(self.emulator)

        def build(image: ImageBuild) -> str:
            self.builds.append(image)
            return build_image(image)

        class KeptAccount(EmulatedAws):
            def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
                if resource.type == REPOSITORY and resource.inputs["name"] in repositories:
                    return resource.inputs["name"], self.describe(REPOSITORY, resource.inputs["name"])
                return super().create(resource)

        described = self.emulator.client("ecr").describe_repositories()["repositories"]
        repositories = {repository["repositoryName"] for repository in described}
        self.cloud = KeptAccount(self.emulator.client, build)
        config = {"aws:region": REGION, "teams": {}, "baseImage": os.environ.get("BASE_IMAGE", "")}
        return deploy(Project(self.folder), "image", config, cloud=self.cloud, log=lambda _: None)

    def change(self, text: str) -> None:
        (self.folder / "server/tracking_server/changed.py").write_text(text)

    def in_ecr(self) -> dict[str, str]:
        """Return tag to digest of what the repository has."""
        images = self.emulator.client("ecr").describe_images(repositoryName="mlflow-tracking-image")
        return {tag: image["imageDigest"] for image in images["imageDetails"] for tag in image["imageTags"]}


@pytest.fixture(scope="module")
def checkout(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("checkout")
    leave = shutil.ignore_patterns("__pycache__", "tests")
    for name in ("infra", "server"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    (folder / "infra/__main__.py").write_text(PROGRAM)
    checkout = Checkout(folder=folder, emulator=emulator)
    checkout.change("A = 1\n")
    return checkout


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> Deployment:
    """Return the deployment that finds nothing in ECR."""
    return checkout.up()


@pytest.fixture
def pulled(
    emulator: Emulator, engine: DockerClient, first: Deployment
) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Return what pulls an image that the stack names, and describes it."""
    names: list[str] = []

    def pull(reference: str) -> dict[str, Any]:
        names.append(registry_reference(emulator, reference))
        engine.images.pull(names[-1])
        return engine.api.inspect_image(names[-1])

    yield pull
    for name in names:
        engine.images.remove(name, noprune=True)


def test_new_content_is_built_and_deployed_by_ecrs_digest(checkout: Checkout, first: Deployment) -> None:
    build = first.one(IMAGE)
    tag = content_tag(
        checkout.folder / "server", platform=PLATFORM.value, arguments=build.inputs["buildArgs"]
    )
    digest = checkout.in_ecr()[tag]
    assert build.outputs["digest"] == digest
    assert first.outputs["image"] == f"{first.one(REPOSITORY).outputs['repositoryUrl']}@{digest}"
    assert [image.reference for image in checkout.builds[:1]] == build.inputs["tags"]


def test_pulled_image_bears_what_ecr_does_not_describe(
    first: Deployment, pulled: Callable[[str], dict[str, Any]]
) -> None:
    image = pulled(first.outputs["image"])
    declared = first.one(IMAGE).inputs
    assert [f"{image['Os']}/{image['Architecture']}"] == declared["platforms"]
    assert declared["labels"].items() <= (image["Config"]["Labels"] or {}).items()


def test_described_image_is_the_declared_one(checkout: Checkout, first: Deployment) -> None:
    faults, met = checkout.cloud.compare(first)
    assert faults == []
    assert {path for kind, path in met if kind == IMAGE} == {
        path for kind, path in EXCEPTIONS if kind == IMAGE
    }


def test_unchanged_server_is_deployed_again_without_a_build(checkout: Checkout, first: Deployment) -> None:
    builds, in_ecr = len(checkout.builds), checkout.in_ecr()
    again = checkout.up()
    assert again.of_type(IMAGE) == []
    assert again.outputs["image"] == first.outputs["image"]
    assert (len(checkout.builds), checkout.in_ecr()) == (builds, in_ecr)


def test_changed_server_is_another_image_and_the_way_back_pushes_nothing(
    checkout: Checkout, first: Deployment
) -> None:
    before = checkout.in_ecr()
    checkout.change("B = 2\n")
    try:
        changed = checkout.up()
    finally:
        checkout.change("A = 1\n")
    (tag,) = set(checkout.in_ecr()) - set(before)
    digest = checkout.in_ecr()[tag]
    assert changed.outputs["image"].endswith(f"@{digest}")
    assert digest not in before.values()
    builds = len(checkout.builds)
    back = checkout.up()
    assert back.of_type(IMAGE) == []
    assert back.outputs["image"] == first.outputs["image"]
    assert (len(checkout.builds), checkout.in_ecr()) == (builds, {**before, tag: digest})


def test_repository_refuses_another_image_under_a_tag_that_it_has(
    checkout: Checkout, first: Deployment, emulator: Emulator, tmp_path: Path
) -> None:
    (tag,) = first.one(IMAGE).inputs["tags"]
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    other = ImageBuild(context=tmp_path, arguments={}, labels={}, platform="linux/amd64", reference=tag)
    before = checkout.in_ecr()
    with pytest.raises(ImageBuildError, match="immutable"):
        build_and_push(emulator)(other)
    assert checkout.in_ecr() == before


def test_failed_build_says_what_docker_said(emulator: Emulator, first: Deployment, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY missing /\n")
    (tag,) = first.one(IMAGE).inputs["tags"]
    broken = ImageBuild(context=tmp_path, arguments={}, labels={}, platform="linux/amd64", reference=tag)
    with pytest.raises(ImageBuildError, match="missing"):
        build_and_push(emulator)(broken)


def test_image_in_another_registry_is_not_emulated(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match=r"only what lies in 000000000000\.dkr\.ecr"):
        registry_reference(emulator, "111122223333.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking:1")
