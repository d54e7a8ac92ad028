"""Load balancer, target group and listeners."""

from collections.abc import Mapping
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map

NAME_LENGTH = 32
LOAD_BALANCER = {
    "name": "LoadBalancerName",
    "loadBalancerType": "Type",
    "securityGroups": "SecurityGroups",
    "arn": "LoadBalancerArn",
    "dnsName": "DNSName",
    "zoneId": "CanonicalHostedZoneId",
    "vpcId": "VpcId",
}
LOAD_BALANCER_ATTRIBUTES = {
    "idleTimeout": "idle_timeout.timeout_seconds",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
}
SCHEME = {True: "internal", False: "internet-facing"}
TARGET_GROUP = {"port": "Port", "protocol": "Protocol", "vpcId": "VpcId", "targetType": "TargetType"}
TARGET_GROUP_ATTRIBUTES = {"deregistrationDelay": "deregistration_delay.timeout_seconds"}
HEALTH_CHECK = {
    "path": "HealthCheckPath",
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
LISTENER = {
    "loadBalancerArn": "LoadBalancerArn",
    "port": "Port",
    "protocol": "Protocol",
    "sslPolicy": "SslPolicy",
}
ACTION = {"type": "Type", "targetGroupArn": "TargetGroupArn"}


def create_load_balancer(account: Account, inputs: Inputs) -> str:
    """Make a load balancer, then set its attributes; its id is its ARN."""
    elb = account.client("elbv2")
    answer = elb.create_load_balancer(
        Name=inputs.autoname(longest=NAME_LENGTH),
        Scheme=SCHEME[inputs.get("internal", False)],
        Tags=tag_list(inputs.get("tagsAll", {})),
        **inputs.take({"loadBalancerType": "Type", "subnets": "Subnets", "securityGroups": "SecurityGroups"}),
    )
    arn = only(answer["LoadBalancers"], "new load balancers")["LoadBalancerArn"]
    attributes = _attribute_list(inputs.take(LOAD_BALANCER_ATTRIBUTES))
    if attributes:
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    return str(arn)


def read_load_balancer(account: Account, identity: str) -> dict[str, Any]:
    """Describe a load balancer."""
    elb = account.client("elbv2")
    found = elb.describe_load_balancers(LoadBalancerArns=[identity])["LoadBalancers"]
    balancer = only(found, identity)
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=identity)["Attributes"]
    return {
        **shown(balancer, LOAD_BALANCER),
        **_attributes(attributes, LOAD_BALANCER_ATTRIBUTES),
        "internal": balancer["Scheme"] == SCHEME[True],
        "subnets": [zone["SubnetId"] for zone in balancer["AvailabilityZones"]],
        "arnSuffix": identity.split("loadbalancer/", 1)[1],
        "tagsAll": _tags(elb, identity),
    }


def create_target_group(account: Account, inputs: Inputs) -> str:
    """Make a target group, then set its attributes; its id is its ARN."""
    elb = account.client("elbv2")
    check = inputs.block("healthCheck")
    answer = elb.create_target_group(
        Name=inputs.autoname(longest=NAME_LENGTH),
        Tags=tag_list(inputs.get("tagsAll", {})),
        **inputs.take(TARGET_GROUP),
        **check.take(HEALTH_CHECK),
        **({"Matcher": check.take({"matcher": "HttpCode"})} if "matcher" in check else {}),
    )
    arn = only(answer["TargetGroups"], "new target groups")["TargetGroupArn"]
    attributes = _attribute_list(inputs.take(TARGET_GROUP_ATTRIBUTES))
    if attributes:
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
    return str(arn)


def read_target_group(account: Account, identity: str) -> dict[str, Any]:
    """Describe a target group."""
    elb = account.client("elbv2")
    found = elb.describe_target_groups(TargetGroupArns=[identity])["TargetGroups"]
    group = only(found, identity)
    attributes = elb.describe_target_group_attributes(TargetGroupArn=identity)["Attributes"]
    return {
        **shown(group, {**TARGET_GROUP, "name": "TargetGroupName", "arn": "TargetGroupArn"}),
        **_attributes(attributes, TARGET_GROUP_ATTRIBUTES),
        "healthCheck": {**shown(group, HEALTH_CHECK), **shown(group["Matcher"], {"matcher": "HttpCode"})},
        "arnSuffix": identity.rsplit(":", 1)[1],
        "tagsAll": _tags(elb, identity),
    }


def create_listener(account: Account, inputs: Inputs) -> str:
    """Make a listener; its id is its ARN."""
    actions = [action.take(ACTION) for action in inputs.blocks("defaultActions")]
    certificate = inputs.take({"certificateArn": "CertificateArn"})
    answer = account.client("elbv2").create_listener(
        DefaultActions=actions,
        Tags=tag_list(inputs.get("tagsAll", {})),
        **inputs.take(LISTENER),
        **({"Certificates": [certificate]} if certificate else {}),
    )
    return str(only(answer["Listeners"], "new listeners")["ListenerArn"])


def read_listener(account: Account, identity: str) -> dict[str, Any]:
    """Describe a listener."""
    elb = account.client("elbv2")
    listener = only(elb.describe_listeners(ListenerArns=[identity])["Listeners"], identity)
    certificates = listener.get("Certificates", [])
    return {
        **shown(listener, {**LISTENER, "arn": "ListenerArn"}),
        **(shown(certificates[0], {"certificateArn": "CertificateArn"}) if certificates else {}),
        "defaultActions": [shown(action, ACTION) for action in listener["DefaultActions"]],
        "tagsAll": _tags(elb, identity),
    }


def _attribute_list(values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return attributes as the API takes them: all text, booleans in small letters."""
    return [{"Key": key, "Value": str(value).lower()} for key, value in values.items()]


def _attributes(described: list[dict[str, str]], names: Mapping[str, str]) -> dict[str, Any]:
    values = {attribute["Key"]: attribute["Value"] for attribute in described}
    plain = {"true": True, "false": False}
    return {
        key: plain.get(values[api], int(values[api]) if values[api].isdecimal() else values[api])
        for key, api in names.items()
        if api in values
    }


def _tags(elb: Any, arn: str) -> dict[str, str]:
    return tag_map(only(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"], arn)["Tags"])


HANDLERS = {
    "aws:lb/loadBalancer:LoadBalancer": Handler(create_load_balancer, read_load_balancer),
    "aws:lb/targetGroup:TargetGroup": Handler(create_target_group, read_target_group),
    "aws:lb/listener:Listener": Handler(create_listener, read_listener),
}
