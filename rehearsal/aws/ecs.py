"""Cluster, task definition and service."""

import json
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map

SETTING = {"name": "name", "value": "value"}
TASK = {
    "family": "family",
    "requiresCompatibilities": "requiresCompatibilities",
    "networkMode": "networkMode",
    "cpu": "cpu",
    "memory": "memory",
    "executionRoleArn": "executionRoleArn",
    "taskRoleArn": "taskRoleArn",
}
PLATFORM = {"operatingSystemFamily": "operatingSystemFamily", "cpuArchitecture": "cpuArchitecture"}
VOLUME = {"name": "name"}
SERVICE = {
    "taskDefinition": "taskDefinition",
    "launchType": "launchType",
    "platformVersion": "platformVersion",
    "desiredCount": "desiredCount",
    "healthCheckGracePeriodSeconds": "healthCheckGracePeriodSeconds",
    "enableExecuteCommand": "enableExecuteCommand",
    "enableEcsManagedTags": "enableECSManagedTags",
    "propagateTags": "propagateTags",
}
DEPLOYMENT = {
    "deploymentMinimumHealthyPercent": "minimumHealthyPercent",
    "deploymentMaximumPercent": "maximumPercent",
}
CIRCUIT_BREAKER = {"enable": "enable", "rollback": "rollback"}
SUBNETS = {"subnets": "subnets", "securityGroups": "securityGroups"}
TARGET = {
    "targetGroupArn": "targetGroupArn",
    "containerName": "containerName",
    "containerPort": "containerPort",
}
PUBLIC_IP = {True: "ENABLED", False: "DISABLED"}


def create_cluster(account: Account, inputs: Inputs) -> str:
    """Make a cluster; its id is its ARN."""
    answer = account.client("ecs").create_cluster(
        clusterName=inputs.autoname(),
        settings=[block.take(SETTING) for block in inputs.blocks("settings")],
        tags=_tag_list(inputs),
    )
    return str(answer["cluster"]["clusterArn"])


def read_cluster(account: Account, identity: str) -> dict[str, Any]:
    """Describe a cluster."""
    answer = account.client("ecs").describe_clusters(clusters=[identity], include=["SETTINGS", "TAGS"])
    cluster = only(answer["clusters"], identity)
    return {
        **shown(cluster, {"name": "clusterName", "arn": "clusterArn"}),
        "settings": [shown(setting, SETTING) for setting in cluster["settings"]],
        "tagsAll": _tag_map(cluster),
    }


def create_task_definition(account: Account, inputs: Inputs) -> str:
    """Register a task definition and return its ARN.

    The provider's id is the family, by which AWS describes only the newest revision of whichever stack.
    """
    inputs.ignore("skipDestroy")
    answer = account.client("ecs").register_task_definition(
        **inputs.take(TASK),
        **(
            {"runtimePlatform": inputs.block("runtimePlatform").take(PLATFORM)}
            if "runtimePlatform" in inputs
            else {}
        ),
        volumes=[block.take(VOLUME) for block in inputs.blocks("volumes")],
        containerDefinitions=json.loads(inputs["containerDefinitions"]),
        tags=_tag_list(inputs),
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def read_task_definition(account: Account, identity: str) -> dict[str, Any]:
    """Describe a task definition."""
    answer = account.client("ecs").describe_task_definition(taskDefinition=identity, include=["TAGS"])
    task = answer["taskDefinition"]
    arn = task["taskDefinitionArn"]
    return {
        **shown(task, {**TASK, "revision": "revision"}),
        "arn": arn,
        "arnWithoutRevision": arn.rsplit(":", 1)[0],
        "runtimePlatform": shown(task.get("runtimePlatform", {}), PLATFORM),
        "volumes": [shown(volume, VOLUME) for volume in task["volumes"]],
        "containerDefinitions": json.dumps(task["containerDefinitions"]),
        "tagsAll": _tag_map(answer),
    }


def create_service(account: Account, inputs: Inputs) -> str:
    """Make a service; its id is its ARN."""
    inputs.ignore("waitForSteadyState")
    ecs = account.client("ecs")
    # ECS refuses a definition that is not there; the emulator does not.
    ecs.describe_task_definition(taskDefinition=inputs["taskDefinition"])
    network = inputs.block("networkConfiguration")
    answer = ecs.create_service(
        serviceName=inputs.autoname(),
        cluster=inputs["cluster"],
        **inputs.take(SERVICE),
        deploymentConfiguration={
            **inputs.take(DEPLOYMENT),
            "deploymentCircuitBreaker": inputs.block("deploymentCircuitBreaker").take(CIRCUIT_BREAKER),
        },
        networkConfiguration={
            "awsvpcConfiguration": {
                **network.take(SUBNETS),
                "assignPublicIp": PUBLIC_IP[network.get("assignPublicIp", False)],
            }
        },
        loadBalancers=[block.take(TARGET) for block in inputs.blocks("loadBalancers")],
        tags=_tag_list(inputs),
    )
    return str(answer["service"]["serviceArn"])


def read_service(account: Account, identity: str) -> dict[str, Any]:
    """Describe a service."""
    cluster = identity.split("/")[1]
    answer = account.client("ecs").describe_services(cluster=cluster, services=[identity], include=["TAGS"])
    service = only(answer["services"], identity)
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    deployment = service["deploymentConfiguration"]
    return {
        **shown(service, {**SERVICE, "name": "serviceName", "cluster": "clusterArn", "arn": "serviceArn"}),
        **shown(deployment, DEPLOYMENT),
        "deploymentCircuitBreaker": shown(deployment["deploymentCircuitBreaker"], CIRCUIT_BREAKER),
        "networkConfiguration": {
            **shown(network, SUBNETS),
            "assignPublicIp": network["assignPublicIp"] == PUBLIC_IP[True],
        },
        "loadBalancers": [shown(target, TARGET) for target in service["loadBalancers"]],
        "tagsAll": _tag_map(service),
    }


def _tag_list(inputs: Inputs) -> list[dict[str, str]]:
    return tag_list(inputs.get("tagsAll", {}), "key", "value")


def _tag_map(described: dict[str, Any]) -> dict[str, str]:
    return tag_map(described.get("tags", []), "key", "value")


HANDLERS = {
    "aws:ecs/cluster:Cluster": Handler(create_cluster, read_cluster),
    "aws:ecs/taskDefinition:TaskDefinition": Handler(create_task_definition, read_task_definition),
    "aws:ecs/service:Service": Handler(create_service, read_service),
}
