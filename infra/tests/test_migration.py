import json
from typing import Any

import pytest

from infra.tests.conftest import CONFIG, declare
from rehearsal.deployment import Deployment
from tracking_server import HTTPS

pytestmark = pytest.mark.rehearsal

TASK = "aws:ecs/taskDefinition:TaskDefinition"
ROLE = "aws:iam/role:Role"


@pytest.fixture
def container(stack: Deployment) -> dict[str, Any]:
    (container,) = json.loads(stack.one(TASK, "migration-task").inputs["containerDefinitions"])
    return container


def rights(stack: Deployment, role: str) -> dict[str, set[str]]:
    """Return resources by action, of every policy that a role bears."""
    name = stack.one(ROLE, role).outputs["name"]
    policies = [p for p in stack.of_type("aws:iam/rolePolicy:RolePolicy") if p.inputs["role"] == name]
    found: dict[str, set[str]] = {}
    for policy in policies:
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in statement["Action"]:
                found.setdefault(action, set()).update(statement["Resource"])
    return found


def test_the_migration_may_log_in_to_the_database_and_nothing_else(stack: Deployment) -> None:
    assert rights(stack, "migration-task-role") == {
        "rds-db:connect": {"arn:aws:rds-db:eu-west-1:111122223333:dbuser:db-RESOURCE/mlflow"}
    }


def test_ecs_may_start_the_migration_without_the_masters_secret(stack: Deployment) -> None:
    allowed = rights(stack, "migration-execution-role")
    assert allowed.keys() == {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    (streams,) = allowed["logs:PutLogEvents"]
    assert streams.endswith(":log-stream:task/migration/*")


def test_its_roles_are_its_own(stack: Deployment) -> None:
    task = stack.one(TASK, "migration-task").inputs
    server = stack.one(TASK, "tracking-server-task").inputs
    for role in ("taskRoleArn", "executionRoleArn"):
        assert task[role] != server[role]
    assert task["taskRoleArn"] == stack.one(ROLE, "migration-task-role").outputs["arn"]
    assert task["executionRoleArn"] == stack.one(ROLE, "migration-execution-role").outputs["arn"]


def test_it_knows_the_database_alone_and_no_secret(container: dict[str, Any]) -> None:
    names = {variable["name"] for variable in container["environment"]}
    assert names == {"AWS_REGION", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSSLMODE"}
    assert "secrets" not in container


def test_it_is_confined_as_the_server_is_and_ends_the_task_with_its_own_end(
    stack: Deployment, container: dict[str, Any]
) -> None:
    server = json.loads(stack.one(TASK, "tracking-server-task").inputs["containerDefinitions"])[-1]
    for key in ("image", "user", "readonlyRootFilesystem", "linuxParameters", "mountPoints"):
        assert container[key] == server[key]
    assert container["command"] == ["python", "-m", "tracking_server.migrate"]
    assert container["essential"] is True
    assert container["logConfiguration"]["options"]["awslogs-stream-prefix"] == "task"


def test_no_service_runs_it(stack: Deployment) -> None:
    (service,) = stack.of_type("aws:ecs/service:Service")
    assert service.inputs["taskDefinition"] != stack.one(TASK, "migration-task").outputs["arn"]
    assert stack.one(TASK, "migration-task").inputs["family"] == "mlflow-tracking-paper-migration"


def test_the_upgrade_is_told_where_the_service_stands(stack: Deployment) -> None:
    told = stack.outputs["upgrade"]
    service = stack.one("aws:ecs/service:Service")
    network = service.inputs["networkConfiguration"]
    assert told["network"] == {
        "subnets": network["subnets"],
        "securityGroups": network["securityGroups"],
        "assignPublicIp": "DISABLED",
    }
    assert told["service"] == service.outputs["name"]
    assert told["cluster"] == stack.one("aws:ecs/cluster:Cluster").outputs["arn"]
    assert told["migration"] == stack.one(TASK, "migration-task").outputs["arn"]
    assert told["database"] == stack.one("aws:rds/instance:Instance").outputs["identifier"]
    assert told["held"] == [service.urn, stack.one(TASK, "tracking-server-task").urn]


def test_public_tasks_stay_public_for_the_migration(cheap_stack: Deployment) -> None:
    assert cheap_stack.outputs["upgrade"]["network"]["assignPublicIp"] == "ENABLED"


def test_the_family_is_one_that_ecs_takes_whatever_the_stack_is_called() -> None:
    family = declare(CONFIG, stack="team.prod_1", dry_run=True).one(TASK, "migration-task").inputs["family"]
    assert family == "mlflow-tracking-team-prod_1-migration"


def test_it_reaches_ecr_and_rds_by_the_servers_way_out(stack: Deployment) -> None:
    way_out = stack.one(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "tracking-server-to-aws"
    ).inputs
    assert (way_out["fromPort"], way_out["securityGroupId"]) == (
        HTTPS,
        stack.outputs["upgrade"]["network"]["securityGroups"][0],
    )
