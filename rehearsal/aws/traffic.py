"""What may pass inside a VPC and who sees it: security groups, endpoints, flow logs."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.beside import tag_flow_log
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map
from rehearsal.aws.network import tags_at_birth

GROUP = {"name": "GroupName", "description": "Description", "vpcId": "VpcId"}
# The provider writes this where none is declared, because EC2 insists on one.
DESCRIPTION = "Managed by Pulumi"
RULE = {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort"}
ENDPOINT = {
    "vpcId": "VpcId",
    "serviceName": "ServiceName",
    "vpcEndpointType": "VpcEndpointType",
    "routeTableIds": "RouteTableIds",
}
FLOW_LOG = {
    "trafficType": "TrafficType",
    "logDestinationType": "LogDestinationType",
    "logDestination": "LogDestination",
}


def create_security_group(account: Account, inputs: Inputs) -> str:
    """Make a security group without the rule that EC2 gives each: the provider takes that one away."""
    ec2 = account.client("ec2")
    identity = ec2.create_security_group(
        GroupName=inputs.autoname(),
        Description=inputs.get("description", DESCRIPTION),
        VpcId=inputs["vpcId"],
        **tags_at_birth("security-group", inputs),
    )["GroupId"]
    _close(ec2, identity)
    return str(identity)


def adopt_default_security_group(account: Account, inputs: Inputs) -> str:
    """Take over the VPC's default security group and close it."""
    ec2 = account.client("ec2")
    found = ec2.describe_security_groups(
        Filters=[
            {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
            {"Name": "group-name", "Values": ["default"]},
        ]
    )["SecurityGroups"]
    identity = only(found, f"default security groups of {inputs['vpcId']}")["GroupId"]
    _close(ec2, identity)
    tags = tag_list(inputs.get("tagsAll", {}))
    if tags:
        ec2.create_tags(Resources=[identity], Tags=tags)
    return str(identity)


def _close(ec2: Any, identity: str) -> None:
    group = only(ec2.describe_security_groups(GroupIds=[identity])["SecurityGroups"], identity)
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=identity, IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(GroupId=identity, IpPermissions=group["IpPermissionsEgress"])


def read_security_group(account: Account, identity: str) -> dict[str, Any]:
    """Describe a security group; its rules are resources of their own."""
    ec2 = account.client("ec2")
    group = only(ec2.describe_security_groups(GroupIds=[identity])["SecurityGroups"], identity)
    return {
        **shown(group, GROUP),
        "arn": f"arn:aws:ec2:{account.region}:{group['OwnerId']}:security-group/{identity}",
        "tagsAll": tag_map(group.get("Tags", [])),
    }


def create_ingress_rule(account: Account, inputs: Inputs) -> str:
    """Let something in."""
    return _create_rule(account.client("ec2").authorize_security_group_ingress, inputs)


def create_egress_rule(account: Account, inputs: Inputs) -> str:
    """Let something out."""
    return _create_rule(account.client("ec2").authorize_security_group_egress, inputs)


def _create_rule(authorize: Any, inputs: Inputs) -> str:
    permission: dict[str, Any] = inputs.take(RULE)
    described = inputs.take({"description": "Description"})
    for key, member, api in (
        ("cidrIpv4", "IpRanges", "CidrIp"),
        ("cidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("referencedSecurityGroupId", "UserIdGroupPairs", "GroupId"),
        ("prefixListId", "PrefixListIds", "PrefixListId"),
    ):
        if key in inputs:
            permission[member] = [{api: inputs[key], **described}]
    answer = authorize(
        GroupId=inputs["securityGroupId"],
        IpPermissions=[permission],
        **tags_at_birth("security-group-rule", inputs),
    )
    return str(only(answer["SecurityGroupRules"], "new security group rules")["SecurityGroupRuleId"])


def read_rule(account: Account, identity: str) -> dict[str, Any]:
    """Describe a security group rule."""
    ec2 = account.client("ec2")
    found = ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"]
    rule = only(found, identity)
    names = {
        **RULE,
        "securityGroupId": "GroupId",
        "cidrIpv4": "CidrIpv4",
        "cidrIpv6": "CidrIpv6",
        "prefixListId": "PrefixListId",
        "description": "Description",
        "arn": "SecurityGroupRuleArn",
    }
    referenced = rule.get("ReferencedGroupInfo", {})
    return {
        **shown(rule, names),
        **shown(referenced, {"referencedSecurityGroupId": "GroupId"}),
        "securityGroupRuleId": identity,
        "tagsAll": tag_map(rule.get("Tags", [])),
    }


def create_endpoint(account: Account, inputs: Inputs) -> str:
    """Make a VPC endpoint."""
    answer = account.client("ec2").create_vpc_endpoint(
        **inputs.take(ENDPOINT), **tags_at_birth("vpc-endpoint", inputs)
    )
    return str(answer["VpcEndpoint"]["VpcEndpointId"])


def read_endpoint(account: Account, identity: str) -> dict[str, Any]:
    """Describe a VPC endpoint and the prefix list of its service."""
    ec2 = account.client("ec2")
    found = ec2.describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"]
    endpoint = only(found, identity)
    lists = ec2.describe_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [endpoint["ServiceName"]]}]
    )["PrefixLists"]
    return {
        **shown(endpoint, ENDPOINT),
        "state": endpoint["State"].lower(),
        "prefixListId": only(lists, f"prefix lists of {endpoint['ServiceName']}")["PrefixListId"],
        "tagsAll": tag_map(endpoint.get("Tags", [])),
    }


def create_flow_log(account: Account, inputs: Inputs) -> str:
    """Record a VPC's traffic."""
    answer = account.client("ec2").create_flow_logs(
        ResourceIds=[inputs["vpcId"]],
        ResourceType="VPC",
        **inputs.take({**FLOW_LOG, "iamRoleArn": "DeliverLogsPermissionArn"}),
        **tags_at_birth("vpc-flow-log", inputs),
    )
    identity = only(answer["FlowLogIds"], f"new flow logs ({answer['Unsuccessful']})")
    tag_flow_log(account, identity, inputs.get("tagsAll", {}))
    return str(identity)


def read_flow_log(account: Account, identity: str) -> dict[str, Any]:
    """Describe a flow log."""
    found = account.client("ec2").describe_flow_logs(FlowLogIds=[identity])["FlowLogs"]
    log = only(found, identity)
    names = {**FLOW_LOG, "vpcId": "ResourceId", "iamRoleArn": "DeliverLogsPermissionArn"}
    return {**shown(log, names), "tagsAll": tag_map(log.get("Tags", []))}


HANDLERS = {
    "aws:ec2/securityGroup:SecurityGroup": Handler(create_security_group, read_security_group),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Handler(
        adopt_default_security_group, read_security_group
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Handler(create_ingress_rule, read_rule),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Handler(create_egress_rule, read_rule),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Handler(create_endpoint, read_endpoint),
    "aws:ec2/flowLog:FlowLog": Handler(create_flow_log, read_flow_log),
}
