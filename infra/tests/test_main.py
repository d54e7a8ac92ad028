import inspect
import json
from collections import Counter
from typing import Any

import pulumi_aws
import pytest

from rehearsal.deployment import STACK_TYPE, Deployment, DeploymentError, Resource
from rehearsal.engine import deploy
from rehearsal.project import Project
from rehearsal.wire import Secret

pytestmark = pytest.mark.rehearsal

BOXES = {
    "image": "Image",
    "network": "Network",
    "artifact_store": "ArtifactStore",
    "backend_store": "BackendStore",
    "front_door": "FrontDoor",
    "tracking_server": "TrackingServer",
    "team_access": "TeamAccess",
    "access_list": "AccessList",
    "restore_check": "RestoreCheck",
    "migration": "Migration",
}


def taggable(resource: Resource) -> bool:
    package, module, kind = resource.type.split(":")
    if package != "aws":
        return False
    cls = getattr(getattr(pulumi_aws, module.split("/")[0]), kind)
    return "tags" in inspect.signature(cls._internal_init).parameters


def test_boxes_are_the_picture(stack: Deployment) -> None:
    (root,) = stack.of_type(STACK_TYPE)
    boxes = {resource.type for resource in stack.resources if resource.parent == root.urn}
    assert boxes == {f"mlflow-tracking:{module}:{noun}" for module, noun in BOXES.items()}


def test_every_resource_stands_in_a_box(stack: Deployment) -> None:
    components = {resource.urn for resource in stack.resources if not resource.custom}
    (root,) = stack.of_type(STACK_TYPE)
    aws = [resource for resource in stack.resources if resource.custom]
    assert all(resource.parent in components - {root.urn} for resource in aws)


def test_preview_declares_what_up_makes(stack: Deployment, previewed: Deployment) -> None:
    assert Counter(r.urn for r in previewed.resources) == Counter(r.urn for r in stack.resources)


def test_outputs_hold_nothing_secret(stack: Deployment) -> None:
    assert set(stack.outputs) == {
        "trackingUri",
        "region",
        "artifactBucket",
        "image",
        "teams",
        "restoreDrill",
        "upgrade",
    }
    assert not any(isinstance(value, Secret) for value in stack.outputs.values())
    assert stack.outputs["region"] == "eu-west-1"


def test_admin_role_is_told_where_there_is_one(public_stack: Deployment) -> None:
    (role,) = [r for r in public_stack.of_type("aws:iam/role:Role") if r.name == "team-access-admin"]
    assert public_stack.outputs["adminRoleArn"] == role.outputs["arn"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's, for modules that are only looked at
def test_tags_are_the_providers_defaults_alone(built_stack: Deployment, project: Project) -> None:
    stack = built_stack
    tagged = [resource for resource in stack.resources if resource.custom and taggable(resource)]
    assert len(tagged) > 20
    # Its mark is what the restore drill goes by.
    assert [resource.name for resource in tagged if "tags" in resource.inputs] == ["restore-check-task-role"]
    assert not [resource.name for resource in stack.resources if resource.provider]
    settings, _ = project.settings("any", {"image": "", "teams": {}})
    assert json.loads(settings["aws:defaultTags"])["tags"]["Project"] == "mlflow-tracking"


@pytest.mark.parametrize("mode", ["stack", "built_stack", "cheap_stack", "public_stack"])
def test_logical_names_are_unique_and_say_whose_they_are(mode: str, request: pytest.FixtureRequest) -> None:
    stack = request.getfixturevalue(mode)
    assert max(Counter((r.type, r.name) for r in stack.resources).values()) == 1
    by_urn = {resource.urn: resource for resource in stack.resources}
    for resource in stack.resources:
        if resource.custom:
            box = by_urn[resource.parent].name
            assert resource.name.startswith(f"{box}-") or resource.name.endswith(
                (f"-to-{box}-in", f"-to-{box}-out")
            )


def test_wrong_settings_end_the_program_before_any_resource(project: Project) -> None:
    made: list[str] = []

    class NoCloud:
        def configure(self, settings: dict[str, str]) -> None:
            pass

        def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
            made.append(resource.name)
            return "", {}

        def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
            made.append(token)
            return {}

    with pytest.raises(DeploymentError) as failure:
        deploy(
            project,
            "paper",
            {
                "aws:region": "eu-west-1",
                "taskCpu": 300,
                "databaseClass": Secret("hunter1"),
                "databasePassword": Secret("hunter2"),
            },
            cloud=NoCloud(),
            log=lambda _: None,
        )
    assert failure.value.exit_code == 2
    message = str(failure.value)
    assert message.startswith("Wrong settings of stack paper (6):")
    for key in ("teams", "domain", "hostedZoneId"):
        assert f"\n{key}: received nothing; " in message
    assert '\ntaskCpu: received "300"; ' in message
    for key in ("databaseClass", "databasePassword"):
        assert f"\n{key}: received [secret]; " in message
    assert "hunter" not in message
    assert "Traceback" not in message
    assert made == []
