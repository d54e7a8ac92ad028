"""Application autoscaling, beside the emulator: AWS's API model and the emulated service are asked."""

from typing import Any

from botocore.validate import validate_parameters

from rehearsal.aws.account import Account, Handler, refuse_unknown_values
from rehearsal.aws.inputs import Inputs, only, shown

TARGET = {
    "serviceNamespace": "ServiceNamespace",
    "resourceId": "ResourceId",
    "scalableDimension": "ScalableDimension",
}
CAPACITY = {"minCapacity": "MinCapacity", "maxCapacity": "MaxCapacity"}
METRIC = {"predefinedMetricType": "PredefinedMetricType", "resourceLabel": "ResourceLabel"}
TRACKING = {
    "targetValue": "TargetValue",
    "scaleInCooldown": "ScaleInCooldown",
    "scaleOutCooldown": "ScaleOutCooldown",
    "disableScaleIn": "DisableScaleIn",
}


def create_target(account: Account, inputs: Inputs) -> str:
    """Register what may be scaled."""
    request = _checked(
        account,
        "RegisterScalableTarget",
        {**inputs.take({**TARGET, **CAPACITY}), "Tags": inputs.get("tagsAll", {})},
    )
    if request["MinCapacity"] > request["MaxCapacity"]:
        raise ValueError(
            f"minCapacity {request['MinCapacity']} is above maxCapacity {request['MaxCapacity']}"
        )
    _service(account, request["ResourceId"])
    account.beside[_target_id(request)] = request
    return _target_id(request)


def read_target(account: Account, identity: str) -> dict[str, Any]:
    """Return what was registered."""
    target = account.beside[identity]
    return {**shown(target, {**TARGET, **CAPACITY}), "tagsAll": target["Tags"]}


def create_policy(account: Account, inputs: Inputs) -> str:
    """Keep a target-tracking policy."""
    tracking = inputs.block("targetTrackingScalingPolicyConfiguration")
    metric = tracking.block("predefinedMetricSpecification").take(METRIC)
    request = _checked(
        account,
        "PutScalingPolicy",
        {
            "PolicyName": inputs.autoname(),
            **inputs.take({**TARGET, "policyType": "PolicyType"}),
            "TargetTrackingScalingPolicyConfiguration": {
                **tracking.take(TRACKING),
                "PredefinedMetricSpecification": metric,
            },
        },
    )
    if _target_id(request) not in account.beside:
        raise LookupError(f"no scalable target {_target_id(request)}")
    if "ResourceLabel" in metric:
        _request_counter(account, metric["ResourceLabel"])
    identity = f"{_target_id(request)}/{request['PolicyName']}"
    account.beside[identity] = request
    return identity


def read_policy(account: Account, identity: str) -> dict[str, Any]:
    """Return the policy that was kept."""
    policy = account.beside[identity]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    return {
        **shown(policy, {**TARGET, "policyType": "PolicyType", "name": "PolicyName"}),
        "targetTrackingScalingPolicyConfiguration": {
            **shown(tracking, TRACKING),
            "predefinedMetricSpecification": shown(tracking["PredefinedMetricSpecification"], METRIC),
        },
    }


def _checked(account: Account, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request once AWS's API model accepts it."""
    model = account.client("application-autoscaling").meta.service_model.operation_model(operation)
    validate_parameters(request, model.input_shape)
    refuse_unknown_values(model.input_shape, request, operation)
    return request


def _target_id(request: dict[str, Any]) -> str:
    return f"{request['ServiceNamespace']}/{request['ResourceId']}/{request['ScalableDimension']}"


def _service(account: Account, resource_id: str) -> None:
    """Find the ECS service that `service/<cluster>/<service>` names."""
    _, cluster, service = resource_id.split("/")
    only(
        account.client("ecs").describe_services(cluster=cluster, services=[service])["services"], resource_id
    )


def _request_counter(account: Account, label: str) -> None:
    """Find the load balancer and target group that `app/<name>/<id>/targetgroup/<name>/<id>` names."""
    elb = account.client("elbv2")
    balancer, group = label.split("/targetgroup/")
    balancers = elb.describe_load_balancers()["LoadBalancers"]
    groups = elb.describe_target_groups()["TargetGroups"]
    only([b for b in balancers if b["LoadBalancerArn"].endswith(f"loadbalancer/{balancer}")], label)
    only([g for g in groups if g["TargetGroupArn"].endswith(f"targetgroup/{group}")], label)


HANDLERS = {
    "aws:appautoscaling/target:Target": Handler(create_target, read_target),
    "aws:appautoscaling/policy:Policy": Handler(create_policy, read_policy),
}
