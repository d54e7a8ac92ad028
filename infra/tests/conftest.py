"""A stack on paper: what the program declares, recorded, with invented answers where AWS would give some."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.tests.fake_docker import FakeDocker
from rehearsal.deployment import Deployment, Resource
from rehearsal.engine import deploy
from rehearsal.monitor import Cloud
from rehearsal.project import Project

ROOT = Path(__file__).parents[2]
ACCOUNT = "111122223333"
REGION = "eu-west-1"
STACK = "paper"
WRITER = f"arn:aws:iam::{ACCOUNT}:role/vision"
READER = "444455556666"
MEMBER = f"arn:aws:iam::{ACCOUNT}:role/jobs/vision-training"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/platform"
CONFIG = {
    "aws:region": REGION,
    "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/mlflow-tracking:1",
    "domain": "MLflow.example.com",
    "hostedZoneId": "Z0123456789",
    "teams": {"vision": {"writers": [WRITER], "readers": [READER]}, "speech": {"writers": [WRITER]}},
}
FULL_CONFIG = {
    **CONFIG,
    "public": True,
    "admins": [ADMIN],
    "teams": {
        "vision": {
            "writers": [WRITER],
            "readers": [READER],
            "members": [MEMBER],
            "dataBuckets": {"images": "read", "labels": "read-write"},
            "notBefore": "2026-11-23T12:00:00Z",
        },
        "speech": {"writers": [WRITER]},
    },
}
ZONES = {
    "Z0123456789": {"name": "example.com", "privateZone": False},
    "ZOTHER": {"name": "example.org", "privateZone": False},
    "ZPRIVATE": {"name": "example.com", "privateZone": True},
}
# The first three lack something that the stack needs.
ZONE_IDS = {
    f"{REGION}d": "usw1-az2",
    f"{REGION}e": "apne1-az3",
    f"{REGION}f": "use1-az3",
    f"{REGION}a": "euw1-az1",
    f"{REGION}b": "euw1-az2",
    f"{REGION}c": "euw1-az3",
}
REPOSITORY = f"mlflow-tracking-{STACK}"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
REGISTRY_PASSWORD = "registry-password-of-twelve-hours"
BUILT = f"sha256:{'b' * 64}"
IMAGE = "docker-build:index:Image"
SERVICES = {"lb": "elasticloadbalancing", "cloudwatch": "logs"}


class PaperCloud:
    """Gives each resource an id, a name and an ARN, and the few other things that the program reads.

    Attributes:
        images: by repository, what ECR has: tag to digest, "" for an image without a tag.
        asked: the functions that the program called.
    """

    def __init__(self, images: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.images = images or {}
        self.asked: list[str] = []

    def configure(self, settings: dict[str, str]) -> None:
        assert settings["region"] == REGION

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        if resource.type == IMAGE:
            return BUILT, {"digest": BUILT, "ref": f"{resource.inputs['tags'][0]}@{BUILT}", **resource.inputs}
        service, kind = resource.type.split(":")[1].split("/")
        name = str(resource.inputs.get("name") or f"{resource.name}-1a2b3c4")
        arn = f"arn:aws:{SERVICES.get(service, service)}:{REGION}:{ACCOUNT}:{kind}/{name.lstrip('/')}"
        return f"{name}-id", {
            "name": name,
            "arn": f"arn:aws:s3:::{name}" if kind == "bucket" else arn,
            "bucket": name,
            "arnSuffix": f"{kind}/{name}",
            "dnsName": "front-door.elb.amazonaws.com",
            "zoneId": "ZELB",
            "address": "database.example",
            "resourceId": "db-RESOURCE",
            "masterUserSecrets": [{"secretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:master"}],
            "domainValidationOptions": [
                {
                    "resourceRecordName": "_proof",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "proof",
                }
            ],
            "fqdn": "_proof.example.com",
            "registryId": ACCOUNT,
            "repositoryUrl": f"{REGISTRY}/{name}",
            **resource.inputs,
        }

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(token)
        if token == "aws:ecr/getRepositories:getRepositories":
            # As the provider does, which says nothing of an empty list.
            return {"names": [*self.images, "somebody-elses"]} if self.images else {"id": REGION}
        if token == "aws:ecr/getImages:getImages":
            images = self.images[arguments["repositoryName"]]
            return {
                "imageIds": [
                    {"imageDigest": digest, **({"imageTag": tag} if tag else {})}
                    for tag, digest in images.items()
                ]
            }
        if token == "aws:ecr/getAuthorizationToken:getAuthorizationToken":
            assert arguments == {"registryId": ACCOUNT}
            return {"userName": "AWS", "password": REGISTRY_PASSWORD}
        if token == "aws:route53/getZone:getZone":
            return {"zoneId": arguments["zoneId"], **ZONES[arguments["zoneId"]]}
        assert token == "aws:index/getAvailabilityZones:getAvailabilityZones"
        excluded = arguments.get("excludeZoneIds", [])
        return {"names": [name for name, zone_id in ZONE_IDS.items() if zone_id not in excluded]}


def declare(
    config: dict[str, Any], *, stack: str = STACK, cloud: Cloud | None = None, dry_run: bool = False
) -> Deployment:
    return deploy(
        Project(ROOT), stack, config, cloud=cloud or PaperCloud(), dry_run=dry_run, log=lambda _: None
    )


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    (tmp_path / "bin").mkdir()
    return FakeDocker(tmp_path / "bin", monkeypatch)


@pytest.fixture(scope="session")
def built_stack(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The example of a stack, its image built: ECR is empty, Docker is there."""
    with pytest.MonkeyPatch.context() as environment:
        FakeDocker(tmp_path_factory.mktemp("docker"), environment)
        return declare({**CONFIG, "image": ""})


@pytest.fixture(scope="session")
def project() -> Project:
    return Project(ROOT)


@pytest.fixture(scope="session")
def stack() -> Deployment:
    """The example of a stack to keep: TLS by a hosted zone, a NAT gateway."""
    return declare(CONFIG)


@pytest.fixture(scope="session")
def previewed() -> Deployment:
    return declare(CONFIG, dry_run=True)


@pytest.fixture(scope="session")
def cheap_stack() -> Deployment:
    """Disposable, half a vCPU, public addresses, a certificate of one's own, a second network of callers."""
    return declare(
        {
            **CONFIG,
            "disposable": True,
            "egress": "public-ip",
            "taskCpu": 512,
            "taskMemory": 1024,
            "hostedZoneId": "",
            "certificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/mine",
            "allowedCidrs": ["10.8.0.0/16"],
        }
    )


@pytest.fixture(scope="session")
def public_stack() -> Deployment:
    """Faces the internet, has admins, and a team with all that a team may list."""
    return declare(FULL_CONFIG)


@pytest.fixture(scope="session")
def containers() -> Callable[[Deployment], dict[str, dict[str, Any]]]:
    """Return the containers of a deployment's task definition, by name."""

    def read(deployment: Deployment) -> dict[str, dict[str, Any]]:
        text = deployment.one("aws:ecs/taskDefinition:TaskDefinition", "tracking-server-task").inputs[
            "containerDefinitions"
        ]
        return {container["name"]: container for container in json.loads(text)}

    return read


@pytest.fixture(scope="session")
def text_config(project: Project) -> dict[str, str]:
    """A sound config, as Pulumi hands it to the program, under the names that the settings use."""
    merged, _ = project.settings(STACK, CONFIG)
    own = {key.removeprefix(f"{project.name}:"): value for key, value in merged.items()}
    return {key: value for key, value in own.items() if ":" not in key or key == "aws:region"}
