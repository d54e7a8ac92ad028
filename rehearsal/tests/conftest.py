"""One emulator for all tests, and the whole stack deployed into it."""

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.tests.fake_docker import FakeDocker
from policies import trust_principals
from rehearsal.aws.cloud import EmulatedAws
from rehearsal.aws.docker_image import ImageBuild
from rehearsal.certificates import CertificateAuthority
from rehearsal.containers.docker import Docker
from rehearsal.containers.task_containers import TaskContainers
from rehearsal.deployment import Deployment
from rehearsal.emulator import REGION, Emulator
from rehearsal.engine import deploy
from rehearsal.project import Project
from rehearsal.stack import RehearsedStack
from rehearsal.steps import Steps

ROOT = Path(__file__).parents[2]
DATABASE_PORT = 15432
_numbers = itertools.count()


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(Path(folder), CertificateAuthority(Path(folder))) as emulator,
    ):
        yield emulator


@pytest.fixture(scope="session")
def cloud(emulator: Emulator) -> EmulatedAws:
    """Return the account. Nothing is built in it: ECR gets a manifest that tells one image from another."""

    def push(image: ImageBuild) -> str:
        repository, tag = image.reference.partition("/")[2].rsplit(":", 1)
        answer = emulator.client("ecr").put_image(
            repositoryName=repository, imageManifest=json.dumps([tag, image.labels]), imageTag=tag
        )
        return str(answer["image"]["imageId"]["imageDigest"])

    return EmulatedAws(emulator.client, push)


@pytest.fixture(scope="session")
def stack_config(emulator: Emulator) -> Callable[..., dict[str, Any]]:
    """Return the config of a stack that the emulated account can hold, with the given keys changed."""
    iam, route53 = emulator.client("iam"), emulator.client("route53")
    writer = iam.create_user(UserName="vision-writer")["User"]["Arn"]

    def config(**changed: Any) -> dict[str, Any]:
        # Names in a zone must be new to each stack.
        zone = route53.create_hosted_zone(Name="localhost", CallerReference=str(next(_numbers)))
        return {
            "aws:region": REGION,
            "image": "tracking-server:rehearsal",
            "teams": {"vision": {"writers": [writer]}},
            "domain": "localhost",
            "hostedZoneId": zone["HostedZone"]["Id"].rsplit("/", 1)[1],
            "databasePort": DATABASE_PORT,
            **changed,
        }

    return config


@pytest.fixture(scope="session")
def rehearsed(
    cloud: EmulatedAws, stack_config: Callable[..., dict[str, Any]]
) -> tuple[Deployment, Deployment]:
    """Return preview and up of the stack that the rehearsal uses."""
    return preview_and_up(cloud, stack_config(egress="public-ip", disposable=True))


@pytest.fixture(scope="session")
def lasting(cloud: EmulatedAws, stack_config: Callable[..., dict[str, Any]]) -> tuple[Deployment, Deployment]:
    """Return preview and up of a stack that keeps its data and has private tasks."""
    return preview_and_up(
        cloud, stack_config(egress="nat", disposable=False, multiAz=True, allowedCidrs=["192.168.0.0/16"])
    )


@pytest.fixture(scope="session")
def public(
    emulator: Emulator, cloud: EmulatedAws, stack_config: Callable[..., dict[str, Any]]
) -> tuple[Deployment, Deployment]:
    """Return preview and up of a stack on the internet, with admins and all that a team may list."""
    config = stack_config(public=True)
    (writer,) = config["teams"]["vision"]["writers"]
    job = emulator.client("iam").create_role(
        RoleName="training-job",
        Path="/jobs/",
        AssumeRolePolicyDocument=json.dumps(trust_principals((writer,))),
    )
    team = {
        "writers": [writer],
        "members": [job["Role"]["Arn"]],
        "dataBuckets": {"images": "read", "labels": "read-write"},
        "notBefore": "2026-11-23T12:00:00Z",
    }
    return preview_and_up(cloud, {**config, "admins": [writer], "teams": {"vision": team}})


@pytest.fixture(scope="session")
def built(
    cloud: EmulatedAws, stack_config: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Deployment, Deployment]:
    """Return preview and up of a stack whose image is built, from a base of its own."""
    with pytest.MonkeyPatch.context() as environment:
        FakeDocker(tmp_path_factory.mktemp("docker"), environment)
        config = stack_config(image="", baseImage="registry.example.com/python:3.12")
        return preview_and_up(cloud, config, stack="test")


def preview_and_up(
    cloud: EmulatedAws, config: dict[str, Any], *, stack: str = ""
) -> tuple[Deployment, Deployment]:
    """Preview and up; each stack has a name of its own, since the access list bears it."""
    project, stack = Project(ROOT), stack or f"test-{next(_numbers)}"
    return (
        deploy(project, stack, config, cloud=cloud, dry_run=True, log=lambda _: None),
        deploy(project, stack, config, cloud=cloud, log=lambda _: None),
    )


@contextmanager
def started(docker: Docker | None = None) -> Iterator[RehearsedStack]:
    """Run the stack that the rehearsal uses, up to the team's first run."""
    with tempfile.TemporaryDirectory(prefix="mlflow-") as name:
        work = Path(name)
        # As the rehearsal's own: Postgres, when not root, passes through.
        work.chmod(0o711)
        (work / "logs").mkdir()
        stack = RehearsedStack(Steps(), folder=work, work=work, docker=docker)
        try:
            stack.start()
            yield stack
        finally:
            stack.close()


@pytest.fixture(scope="session")
def running() -> Iterator[RehearsedStack]:
    """Return the stack that the rehearsal uses, its task in plain processes."""
    with started() as stack:
        yield stack


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    with Docker() as engine:
        yield engine


@pytest.fixture(scope="session")
def in_docker(docker: Docker) -> Iterator[RehearsedStack]:
    """Return the stack that the rehearsal uses, its image built, pushed, pulled and run in containers."""
    with started(docker) as stack:
        yield stack


@pytest.fixture
def task_containers(
    docker: Docker, in_docker: RehearsedStack, tmp_path: Path
) -> Iterator[Callable[[dict[str, Any]], TaskContainers]]:
    """Return what runs the containers of any task definition, with the built image."""
    with ExitStack() as made:

        def make(definition: dict[str, Any]) -> TaskContainers:
            return made.enter_context(
                TaskContainers(
                    docker,
                    definition,
                    image=in_docker.image,
                    authorities=in_docker.emulator.ca_bundle,
                    endpoint=in_docker.emulator.url,
                    reach=[],
                    work=in_docker.emulator.ca_bundle.parent,
                    logs=tmp_path,
                )
            )

        yield make
