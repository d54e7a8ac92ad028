"""What every Fargate task of the stack is made of: its roles and its task definition."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from containers import SCRATCH
from documents import rendered
from policies import trust_service


def role_for_task(  # noqa: D417
    name: str,
    grants: Mapping[str, pulumi.Input[str] | None],
    *,
    log_group_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    tags: Mapping[str, pulumi.Input[str]] | None = None,
) -> tuple[aws.iam.Role, list[aws.iam.RolePolicy]]:
    """Make a role that ECS may take for a task, or to start it.

    Args:
        name: of the resource, without `-role`.
        grants: IAM documents by purpose; None grants nothing.
        log_group_arn: names the account and region whose ECS it is.
    """
    role = aws.iam.Role(
        f"{name}-role",
        assume_role_policy=rendered(trust_service, "ecs-tasks.amazonaws.com", log_group_arn),
        tags=tags,
        opts=opts,
    )
    policies = [
        aws.iam.RolePolicy(f"{name}-{purpose}", role=role.name, policy=document, opts=opts)
        for purpose, document in grants.items()
        if document is not None
    ]
    return role, policies


def task_definition(
    name: str,
    containers: pulumi.Output[list[dict[str, Any]]],
    *,
    family: str = "",
    cpu: str,
    memory: str,
    task_role: aws.iam.Role,
    execution_role: aws.iam.Role,
    opts: pulumi.ResourceOptions,
    skip_destroy: bool | None = None,
) -> aws.ecs.TaskDefinition:
    """Make a task definition; `family` tells it from the stack's others, CPU units and MiB are Fargate's."""
    parts = [pulumi.get_project(), pulumi.get_stack(), *([family] if family else [])]
    return aws.ecs.TaskDefinition(
        f"{name}-task",
        family="-".join(parts).replace(".", "-"),
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        runtime_platform={"operating_system_family": "LINUX", "cpu_architecture": "X86_64"},
        cpu=cpu,
        memory=memory,
        execution_role_arn=execution_role.arn,
        task_role_arn=task_role.arn,
        volumes=[{"name": SCRATCH}],
        container_definitions=containers.apply(json.dumps),
        skip_destroy=skip_destroy,
        opts=opts,
    )
