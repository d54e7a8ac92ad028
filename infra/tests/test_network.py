import pytest

from infra.tests.conftest import ZONE_IDS
from rehearsal.deployment import Deployment

pytestmark = pytest.mark.rehearsal

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
VPC = "aws:ec2/vpc:Vpc"
SERVICE = "aws:ecs/service:Service"


def subnet_ids(stack: Deployment, kind: str) -> set[str]:
    return {
        resource.id for resource in stack.of_type("aws:ec2/subnet:Subnet") if f"-{kind}-" in resource.name
    }


def test_both_kinds_of_subnet_stand_in_two_zones(stack: Deployment) -> None:
    for kind in ("public", "private"):
        subnets = [r for r in stack.of_type("aws:ec2/subnet:Subnet") if f"-{kind}-" in r.name]
        assert {r.inputs["availabilityZone"] for r in subnets} == {"eu-west-1a", "eu-west-1b"}


def test_zones_that_lack_fargate_or_the_database_are_left_out(stack: Deployment) -> None:
    lacking = {name for name, zone_id in ZONE_IDS.items() if zone_id in ("usw1-az2", "apne1-az3", "use1-az3")}
    assert lacking
    assert not lacking & {r.inputs["availabilityZone"] for r in stack.of_type("aws:ec2/subnet:Subnet")}


def test_vpc_is_protected_unless_it_is_disposable(stack: Deployment, cheap_stack: Deployment) -> None:
    assert stack.one(VPC).options.protect is True
    assert cheap_stack.one(VPC).options.protect is False


def test_names_are_known_inside_the_vpc(stack: Deployment) -> None:
    inputs = stack.one(VPC).inputs
    assert inputs["enableDnsSupport"] is True
    assert inputs["enableDnsHostnames"] is True


def test_nothing_gets_a_public_address_by_itself(stack: Deployment) -> None:
    assert not any(r.inputs["mapPublicIpOnLaunch"] for r in stack.of_type("aws:ec2/subnet:Subnet"))


def test_default_security_group_lets_nothing_through(stack: Deployment) -> None:
    inputs = stack.one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs
    assert not {"ingress", "egress"} & set(inputs)


def test_flow_logs_show_all_traffic(stack: Deployment) -> None:
    assert stack.one("aws:ec2/flowLog:FlowLog").inputs["trafficType"] == "ALL"


def test_s3_is_reached_without_the_way_out(stack: Deployment) -> None:
    endpoint = stack.one("aws:ec2/vpcEndpoint:VpcEndpoint").inputs
    tables = {table.id for table in stack.of_type("aws:ec2/routeTable:RouteTable")}
    assert endpoint["serviceName"] == "com.amazonaws.eu-west-1.s3"
    assert set(endpoint["routeTableIds"]) == tables


def test_nat_tasks_are_private(stack: Deployment) -> None:
    network = stack.one(SERVICE).inputs["networkConfiguration"]
    assert network["assignPublicIp"] is False
    assert set(network["subnets"]) == subnet_ids(stack, "private")
    assert len(stack.of_type("aws:ec2/natGateway:NatGateway")) == 1


def test_public_ip_tasks_need_no_nat(cheap_stack: Deployment) -> None:
    network = cheap_stack.one(SERVICE).inputs["networkConfiguration"]
    assert network["assignPublicIp"] is True
    assert set(network["subnets"]) == subnet_ids(cheap_stack, "public")
    assert not cheap_stack.of_type("aws:ec2/natGateway:NatGateway")
    assert not cheap_stack.of_type("aws:ec2/eip:Eip")


@pytest.mark.parametrize("mode", ["stack", "cheap_stack"])
def test_nothing_is_open_to_the_internet(mode: str, request: pytest.FixtureRequest) -> None:
    stack = request.getfixturevalue(mode)
    rules = stack.of_type(INGRESS)
    assert rules
    assert not any(rule.inputs.get("cidrIpv4") == "0.0.0.0/0" for rule in rules)
    assert not any("cidrIpv6" in rule.inputs or "prefixListId" in rule.inputs for rule in rules)
    # Rules inside a group would be out of sight of the ones above.
    groups = stack.of_type("aws:ec2/securityGroup:SecurityGroup")
    assert not any({"ingress", "egress"} & set(group.inputs) for group in groups)


def test_each_box_is_entered_by_its_neighbour_only(stack: Deployment) -> None:
    groups = {group.id: group.name for group in stack.of_type("aws:ec2/securityGroup:SecurityGroup")}
    doors = {
        (
            groups[rule.inputs["securityGroupId"]],
            rule.inputs["fromPort"],
            groups.get(rule.inputs.get("referencedSecurityGroupId"), rule.inputs.get("cidrIpv4")),
        )
        for rule in stack.of_type(INGRESS)
    }
    assert doors == {
        ("front-door-security-group", 443, "10.42.0.0/16"),
        ("tracking-server-security-group", 5000, "front-door-security-group"),
        ("backend-store-security-group", 5432, "tracking-server-security-group"),
        ("backend-store-security-group", 5432, "restore-check-security-group"),
    }


def test_only_the_front_door_faces_the_internet_and_only_by_tls(public_stack: Deployment) -> None:
    groups = {group.id: group.name for group in public_stack.of_type("aws:ec2/securityGroup:SecurityGroup")}
    rules = [rule.inputs for rule in public_stack.of_type(INGRESS)]
    open_doors = [
        (groups[rule["securityGroupId"]], rule["fromPort"], rule["toPort"])
        for rule in rules
        if "referencedSecurityGroupId" not in rule
    ]
    assert open_doors == [("front-door-security-group", 443, 443)]
    assert [rule["cidrIpv4"] for rule in rules if "cidrIpv4" in rule] == ["0.0.0.0/0"]


def test_public_front_door_leaves_tasks_and_database_private(public_stack: Deployment) -> None:
    network = public_stack.one(SERVICE).inputs["networkConfiguration"]
    assert network["assignPublicIp"] is False
    assert set(network["subnets"]) == subnet_ids(public_stack, "private")
    database = public_stack.one("aws:rds/subnetGroup:SubnetGroup").inputs
    assert set(database["subnetIds"]) == subnet_ids(public_stack, "private")
