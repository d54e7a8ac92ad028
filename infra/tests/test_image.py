import json
import re
from typing import Any

import pytest

from image import PLATFORM, SERVER, fit_for_ecr
from image_content import TAG_DIGITS, content_tag
from infra.tests.conftest import (
    ACCOUNT,
    BUILT,
    CONFIG,
    IMAGE,
    REGION,
    REGISTRY,
    REGISTRY_PASSWORD,
    REPOSITORY,
    PaperCloud,
    declare,
)
from infra.tests.fake_docker import FakeDocker
from rehearsal.deployment import Deployment, DeploymentError, Resource
from rehearsal.wire import Secret, reveal, walk

pytestmark = pytest.mark.rehearsal

BUILD = {**CONFIG, "image": ""}
BASE = "registry.example.com/python:3.12.12-slim-bookworm"
FOUND = f"sha256:{'f' * 64}"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{REPOSITORY}"
ECR_NAME = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"  # ECR's API reference


def tag(**arguments: str) -> str:
    return content_tag(SERVER, platform=PLATFORM.value, arguments=arguments)


def images(stack: Deployment) -> set[str]:
    tasks = [stack.one(TASK, name).inputs for name in ("tracking-server-task", "migration-task")]
    return {container["image"] for task in tasks for container in json.loads(task["containerDefinitions"])}


def pulled_from(stack: Deployment) -> list[str]:
    """Return the repositories that ECS may pull from."""
    (policy,) = [r for r in stack.resources if r.name == "tracking-server-execution-image"]
    return [
        resource
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "ecr:BatchGetImage" in statement["Action"]
        for resource in statement["Resource"]
    ]


def test_new_content_is_built_pushed_and_deployed_by_digest(built_stack: Deployment) -> None:
    build = built_stack.one(IMAGE).inputs
    assert build["tags"] == [f"{REGISTRY}/{REPOSITORY}:{tag()}"]
    assert build["context"] == {"location": str(SERVER)}
    assert (build["platforms"], build["push"], build["buildOnPreview"]) == (["linux/amd64"], True, False)
    assert images(built_stack) == {f"{REGISTRY}/{REPOSITORY}@{BUILT}"}


def test_build_is_asked_of_docker_once_and_its_record_may_leave_the_state(docker: FakeDocker) -> None:
    stack = declare(BUILD)
    assert docker.calls == ["version --format {{.Server.Version}}"]
    assert stack.one(IMAGE).options.retain_on_delete  # else the image would leave the registry with it


def test_content_that_ecr_has_is_deployed_as_found_without_docker(docker: FakeDocker) -> None:
    docker.answers("exit 1")
    cloud = PaperCloud({REPOSITORY: {"": BUILT, "other": BUILT, tag(): FOUND}})
    stack = declare(BUILD, cloud=cloud)
    assert stack.of_type(IMAGE) == []
    assert images(stack) == {f"{REGISTRY}/{REPOSITORY}@{FOUND}"}
    assert docker.calls == []
    assert "aws:ecr/getAuthorizationToken:getAuthorizationToken" not in cloud.asked
    assert stack.one("aws:ecr/repository:Repository").inputs["name"] == REPOSITORY


def test_content_that_ecr_lacks_is_built_beside_what_it_has(docker: FakeDocker) -> None:
    stack = declare(BUILD, cloud=PaperCloud({REPOSITORY: {"": FOUND, "other": FOUND}}))
    assert images(stack) == {f"{REGISTRY}/{REPOSITORY}@{BUILT}"}


def test_another_base_is_another_tag_and_reaches_the_build(docker: FakeDocker) -> None:
    build = declare({**BUILD, "baseImage": BASE}).one(IMAGE).inputs
    assert build["buildArgs"] == {"BASE": BASE}
    assert build["tags"] == [f"{REGISTRY}/{REPOSITORY}:{tag(BASE=BASE)}"]
    assert tag(BASE=BASE) != tag()


@pytest.mark.parametrize(
    ("image", "repositories"),
    [
        (CONFIG["image"], [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/mlflow-tracking"]),
        ("ghcr.io/team/mlflow-tracking:1", None),
    ],
)
def test_ready_image_needs_no_repository_no_build_and_no_docker(
    docker: FakeDocker, image: str, repositories: list[str] | None
) -> None:
    cloud = PaperCloud()
    stack = declare({**CONFIG, "image": image}, cloud=cloud)
    kinds = {resource.type for resource in stack.resources}
    assert not [kind for kind in kinds if kind == IMAGE or kind.startswith("aws:ecr/")]
    assert not [token for token in cloud.asked if token.startswith("aws:ecr/")]
    assert docker.calls == []
    assert images(stack) == {image}
    if repositories:
        assert pulled_from(stack) == repositories
    else:
        assert "tracking-server-execution-image" not in {resource.name for resource in stack.resources}


def test_ready_image_of_the_stacks_own_repository_keeps_it(docker: FakeDocker) -> None:
    ready = f"{REGISTRY}/{REPOSITORY}@{FOUND}"
    stack = declare({**CONFIG, "image": ready}, cloud=PaperCloud({REPOSITORY: {"": FOUND}}))
    assert stack.one("aws:ecr/repository:Repository").inputs["name"] == REPOSITORY
    assert stack.of_type(IMAGE) == []
    assert images(stack) == {ready}
    assert (pulled_from(stack), docker.calls) == ([ARN], [])


@pytest.mark.parametrize("dry_run", [False, True], ids=["up", "preview"])
def test_no_docker_ends_the_program_before_anything_is_made(docker: FakeDocker, *, dry_run: bool) -> None:
    docker.answers("echo 'Cannot connect to the Docker daemon.' >&2; exit 1")
    made: list[str] = []

    class CloudThatRemembers(PaperCloud):
        def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
            made.append(resource.name)
            return super().create(resource)

    with pytest.raises(DeploymentError) as ended:
        declare(BUILD, cloud=CloudThatRemembers(), dry_run=dry_run)
    assert ended.value.exit_code == 2
    assert str(ended.value) == (
        "Wrong settings of stack paper (1):\n"
        "image: received nothing, and no Docker to build one: Cannot connect to the Docker daemon.;"
        " allowed: nothing where Docker runs (start it, and try again), or a ready image\n"
        "    pulumi config set image 111122223333.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking:1"
    )
    assert made == []


def test_region_without_authorities_is_refused_together_with_a_missing_docker(docker: FakeDocker) -> None:
    class OtherRegion(PaperCloud):
        def configure(self, settings: dict[str, str]) -> None:
            assert settings["region"] == "cn-north-1"

    docker.answers("exit 1")
    with pytest.raises(
        DeploymentError, match=r"(?s)\(2\):\naws:region: received cn-north-1;.*\nimage: "
    ) as ended:
        declare({**BUILD, "aws:region": "cn-north-1"}, cloud=OtherRegion())
    assert ended.value.exit_code == 2


def test_ecs_may_pull_from_this_repository_only(built_stack: Deployment) -> None:
    assert pulled_from(built_stack) == [ARN]


def test_tags_never_change_and_images_are_scanned_and_expire(built_stack: Deployment) -> None:
    repository = built_stack.one("aws:ecr/repository:Repository").inputs
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert repository["forceDelete"] is True
    policy = built_stack.one("aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs
    assert policy["repository"] == REPOSITORY
    (rule,) = json.loads(policy["policy"])["rules"]
    assert rule["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 30}
    assert rule["action"] == {"type": "expire"}


def test_registry_password_is_secret_wherever_it_stands(built_stack: Deployment) -> None:
    build = built_stack.one(IMAGE)
    (registry,) = build.inputs["registries"]
    assert registry["address"] == f"{REGISTRY}/{REPOSITORY}"
    assert (registry["username"], registry["password"]) == ("AWS", REGISTRY_PASSWORD)
    assert ("registries", 0, "password") in build.secret_inputs
    assert isinstance(build.outputs["registries"], Secret)
    others = [build.inputs | {"registries": ""}, reveal(built_stack.outputs)]
    others += [[r.inputs, reveal(r.outputs)] for r in built_stack.resources if r is not build]
    assert REGISTRY_PASSWORD not in [value for _, value in walk(others)]


def test_preview_declares_the_build_and_makes_no_image(docker: FakeDocker, built_stack: Deployment) -> None:
    preview = declare(BUILD, dry_run=True)
    assert {r.urn for r in preview.resources} == {r.urn for r in built_stack.resources}


def test_build_runs_after_the_repository_and_before_the_service(built_stack: Deployment) -> None:
    build, repository = built_stack.one(IMAGE), built_stack.one("aws:ecr/repository:Repository")
    assert repository.urn in build.dependencies
    assert (
        build.urn
        in built_stack.one("aws:ecs/taskDefinition:TaskDefinition", "tracking-server-task").dependencies
    )


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("mlflow-tracking-prod", "mlflow-tracking-prod"),
        ("mlflow-tracking-Team.Prod_1", "mlflow-tracking-team-prod-1"),
        ("mlflow-tracking-a__b--", "mlflow-tracking-a-b"),
    ],
)
def test_repository_bears_a_name_that_ecr_takes(name: str, fit: str) -> None:
    assert fit_for_ecr(name) == fit
    assert re.fullmatch(ECR_NAME, fit)


def test_tag_is_one_that_docker_takes() -> None:
    assert re.fullmatch(rf"[0-9a-f]{{{TAG_DIGITS}}}", tag())
