import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.tests.conftest import CONFIG, PaperCloud, declare
from rehearsal.deployment import Deployment, DeploymentError, Resource
from tracking_server import refuse_rollback

pytestmark = pytest.mark.rehearsal

SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
Containers = Callable[[Deployment], dict[str, dict[str, Any]]]


def statements(stack: Deployment, role: str) -> list[dict[str, Any]]:
    """Return the statements of every policy that a role bears."""
    (name,) = [r.outputs["name"] for r in stack.of_type("aws:iam/role:Role") if r.name == role]
    policies = [p for p in stack.of_type("aws:iam/rolePolicy:RolePolicy") if p.inputs["role"] == name]
    return [one for policy in policies for one in json.loads(policy.inputs["policy"])["Statement"]]


def actions(stack: Deployment, role: str) -> set[str]:
    return {action for statement in statements(stack, role) for action in statement["Action"]}


def test_task_may_show_artifacts_log_in_look_up_who_may_come_in_and_nothing_else(stack: Deployment) -> None:
    assert actions(stack, "tracking-server-task-role") == {
        "s3:ListBucket",
        "s3:GetObject",
        "rds-db:connect",
        "ssm:GetParametersByPath",
    }
    resources = {r for s in statements(stack, "tracking-server-task-role") for r in s["Resource"]}
    bucket = f"arn:aws:s3:::{stack.outputs['artifactBucket']}"
    assert resources == {
        bucket,
        f"{bucket}/workspaces/*",
        "arn:aws:rds-db:eu-west-1:111122223333:dbuser:db-RESOURCE/mlflow",
        "arn:aws:ssm:eu-west-1:111122223333:parameter/mlflow-tracking/paper/access",
        "arn:aws:ssm:eu-west-1:111122223333:parameter/mlflow-tracking/paper/access/*",
    }


def test_ecs_may_start_the_task_and_nothing_else(stack: Deployment) -> None:
    assert actions(stack, "tracking-server-execution-role") == {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "secretsmanager:GetSecretValue",
    }


def test_no_password_stands_in_the_environment(stack: Deployment, containers: Containers) -> None:
    for container in containers(stack).values():
        assert not any("PASSWORD" in variable["name"] for variable in container["environment"])
    references = [secret["valueFrom"] for secret in containers(stack)["prepare"]["secrets"]]
    master = stack.one("aws:rds/instance:Instance").outputs["masterUserSecrets"][0]["secretArn"]
    assert references == [f"{master}:username::", f"{master}:password::"]


def test_server_takes_the_front_doors_hosts_and_origins(stack: Deployment, containers: Containers) -> None:
    environment = {v["name"]: v["value"] for v in containers(stack)["tracking-server"]["environment"]}
    assert environment["MLFLOW_SERVER_ALLOWED_HOSTS"] == "mlflow.example.com,mlflow.example.com:*"
    assert environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == (
        "https://mlflow.example.com,https://mlflow.example.com:8443"
    )


def test_server_takes_logins_for_its_own_name_from_the_access_list(
    stack: Deployment, containers: Containers
) -> None:
    environment = {v["name"]: v["value"] for v in containers(stack)["tracking-server"]["environment"]}
    assert environment["SERVER_ID"] == stack.outputs["trackingUri"].removeprefix("https://")
    names = [p.inputs["name"] for p in stack.of_type("aws:ssm/parameter:Parameter")]
    below = [name for name in names if name.startswith(f"{environment['ACCESS_LIST']}/")]
    others = ("/mlflow-tracking/paper/chat/", "/mlflow-tracking/paper/restore-drill/")
    assert below == [name for name in names if not name.startswith(others)]
    assert below


def test_task_is_a_fargate_task_of_the_given_size(stack: Deployment) -> None:
    inputs = stack.one("aws:ecs/taskDefinition:TaskDefinition", "tracking-server-task").inputs
    assert (inputs["cpu"], inputs["memory"]) == ("1024", "2048")
    assert inputs["requiresCompatibilities"] == ["FARGATE"]
    assert inputs["networkMode"] == "awsvpc"
    assert "pidMode" not in inputs


def test_failed_deployment_rolls_back_while_the_old_tasks_serve(stack: Deployment) -> None:
    inputs = stack.one("aws:ecs/service:Service").inputs
    assert inputs["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert inputs["deploymentMinimumHealthyPercent"] == 100
    assert inputs["deploymentMaximumPercent"] > inputs["deploymentMinimumHealthyPercent"]
    assert inputs["waitForSteadyState"] is True
    assert (
        stack.one(TASK, "tracking-server-task").inputs["skipDestroy"] is True
    )  # to have something to go back to
    assert inputs["enableExecuteCommand"] is False


def test_rollback_is_refused_with_both_revisions() -> None:
    refuse_rollback(["server:7", "server:7"])
    with pytest.raises(RuntimeError, match="went back to server:6; the log of server:7"):
        refuse_rollback(["server:6", "server:7"])


def test_up_fails_when_ecs_went_back_to_another_revision() -> None:
    class CloudThatRollsBack(PaperCloud):
        def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
            made, described = super().create(resource)
            return made, described | ({"taskDefinition": "server:6"} if resource.type == SERVICE else {})

    with pytest.raises(DeploymentError, match="ECS went back to server:6"):
        declare(CONFIG, cloud=CloudThatRollsBack())


def test_task_family_is_one_that_ecs_takes_whatever_the_stack_is_called() -> None:
    family = (
        declare(CONFIG, stack="team.prod_1", dry_run=True).one(TASK, "tracking-server-task").inputs["family"]
    )
    assert re.fullmatch(r"[A-Za-z0-9_-]+", family)


def test_checks_count_only_when_prepare_and_server_had_their_time(
    stack: Deployment, containers: Containers
) -> None:
    times = containers(stack)
    needed = times["prepare"]["startTimeout"] + times["tracking-server"]["healthCheck"]["startPeriod"]
    assert stack.one(SERVICE).inputs["healthCheckGracePeriodSeconds"] >= needed


def test_container_insights_are_on(stack: Deployment) -> None:
    settings = stack.one("aws:ecs/cluster:Cluster").inputs["settings"]
    assert {"name": "containerInsights", "value": "enabled"} in settings


def test_autoscaling_owns_the_number_of_tasks(stack: Deployment) -> None:
    assert stack.one("aws:ecs/service:Service").options.ignore_changes == ("desiredCount",)
    target = stack.one("aws:appautoscaling/target:Target").inputs
    assert (target["minCapacity"], target["maxCapacity"]) == (1, 2)
    metrics = {
        policy.inputs["targetTrackingScalingPolicyConfiguration"]["predefinedMetricSpecification"][
            "predefinedMetricType"
        ]
        for policy in stack.of_type("aws:appautoscaling/policy:Policy")
    }
    assert metrics == {"ECSServiceAverageCPUUtilization", "ALBRequestCountPerTarget"}


@pytest.mark.parametrize(
    "needed",
    [
        "network-nat-route",
        "front-door-tls-listener",
        "front-door-to-tracking-server-in",
        "tracking-server-to-backend-store-in",
        "tracking-server-to-aws",
        "tracking-server-task-database-login",
        "tracking-server-execution-image",
        "tracking-server-execution-master-secret",
        "tracking-server-task-access-list",
        "access-list-team-speech",
        "access-list-team-vision",
    ],
)
def test_first_task_starts_after_what_it_needs(stack: Deployment, needed: str) -> None:
    (urn,) = [resource.urn for resource in stack.resources if resource.name == needed]
    assert urn in stack.one("aws:ecs/service:Service").dependencies
