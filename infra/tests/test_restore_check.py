import json
from typing import Any

import pytest

from drill.names import PATTERNS
from infra.tests.test_tracking_server import actions, statements
from rehearsal.deployment import Deployment
from restore_check import TAG
from server.tracking_server import database_user

pytestmark = pytest.mark.rehearsal

ROLE = "restore-check-task-role"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
REGION, ACCOUNT = "eu-west-1", "111122223333"


def names(stack: Deployment) -> dict[str, Any]:
    return dict(stack.outputs["restoreDrill"])


def test_the_task_may_look_and_nothing_else(stack: Deployment) -> None:
    assert actions(stack, ROLE) == {
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "rds-db:connect",
        "ssm:GetParametersByPath",
    }


def test_it_enters_the_live_database_as_the_user_who_only_reads_and_sees_this_stacks_things(
    stack: Deployment,
) -> None:
    bucket = f"arn:aws:s3:::{stack.outputs['artifactBucket']}"
    parameters = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mlflow-tracking/paper/restore-drill"
    assert {resource for one in statements(stack, ROLE) for resource in one["Resource"]} == {
        f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-RESOURCE/{database_user.reader('mlflow')}",
        bucket,
        f"{bucket}/workspaces/*",
        parameters,
        f"{parameters}/*",
    }


def test_its_servers_access_list_names_its_own_role_and_the_live_servers_does_not(stack: Deployment) -> None:
    role = names(stack)["taskRoleArn"]
    named = {
        p.inputs["name"]: p.inputs["insecureValue"]
        for p in stack.of_type("aws:ssm/parameter:Parameter")
        if role in str(p.inputs.get("insecureValue"))
    }
    assert named == {"/mlflow-tracking/paper/restore-drill/admins": json.dumps({"admins": [role]})}


def test_the_role_bears_the_mark_of_this_database(stack: Deployment) -> None:
    (role,) = [r for r in stack.of_type("aws:iam/role:Role") if r.name == ROLE]
    assert role.inputs["tags"] == {TAG: names(stack)["instance"]}
    (other,) = [r for r in stack.of_type("aws:iam/role:Role") if r.name == "restore-check-execution-role"]
    assert "tags" not in other.inputs


def test_ecs_may_start_it_and_sees_no_secret(stack: Deployment) -> None:
    assert actions(stack, "restore-check-execution-role") == {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_it_is_no_service(stack: Deployment) -> None:
    services = [r.inputs["taskDefinition"] for r in stack.of_type("aws:ecs/service:Service")]
    assert names(stack)["taskDefinition"] not in services


def test_nobody_enters_its_task(stack: Deployment) -> None:
    rules = stack.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert rules
    assert not [r for r in rules if r.inputs["securityGroupId"] == names(stack)["securityGroup"]]


def test_the_outputs_name_what_the_stack_made_and_all_that_the_script_reads(stack: Deployment) -> None:
    made = names(stack)
    assert made.keys() == PATTERNS.keys() | {"subnets", "publicIp"}
    assert made["instance"] == stack.one("aws:rds/instance:Instance").inputs["identifier"]
    assert made["taskDefinition"] == stack.one(TASK, "restore-check-task").outputs["arn"]
    assert made["cluster"] == stack.one("aws:ecs/cluster:Cluster").outputs["arn"]
    assert made["taskRoleArn"] == stack.one("aws:iam/role:Role", ROLE).outputs["arn"]
