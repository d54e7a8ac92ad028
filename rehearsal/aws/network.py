"""VPC, subnets, gateways and routes."""

from ipaddress import IPv4Network
from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map

VPC = {"cidrBlock": "CidrBlock", "instanceTenancy": "InstanceTenancy"}
SUBNET = {"vpcId": "VpcId", "cidrBlock": "CidrBlock", "availabilityZone": "AvailabilityZone"}
ROUTE = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
}
ROUTE_ID = "{table}_{destination}"


def tags_at_birth(kind: str, inputs: Inputs) -> dict[str, Any]:
    """Return the argument by which EC2 tags a new resource of this kind."""
    tags = tag_list(inputs.get("tagsAll", {}))
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


def create_vpc(account: Account, inputs: Inputs) -> str:
    """Make a VPC, then set the attributes that only a change can set."""
    ec2 = account.client("ec2")
    identity = ec2.create_vpc(**inputs.take(VPC), **tags_at_birth("vpc", inputs))["Vpc"]["VpcId"]
    for key, attribute in (
        ("enableDnsSupport", "EnableDnsSupport"),
        ("enableDnsHostnames", "EnableDnsHostnames"),
    ):
        if key in inputs:
            ec2.modify_vpc_attribute(VpcId=identity, **{attribute: {"Value": inputs[key]}})
    return str(identity)


def read_vpc(account: Account, identity: str) -> dict[str, Any]:
    """Describe a VPC."""
    ec2 = account.client("ec2")
    vpc = only(ec2.describe_vpcs(VpcIds=[identity])["Vpcs"], identity)

    def attribute(name: str) -> bool:
        answer = ec2.describe_vpc_attribute(VpcId=identity, Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    return {
        **shown(vpc, VPC),
        "arn": f"arn:aws:ec2:{account.region}:{vpc['OwnerId']}:vpc/{identity}",
        "ownerId": vpc["OwnerId"],
        "enableDnsSupport": attribute("enableDnsSupport"),
        "enableDnsHostnames": attribute("enableDnsHostnames"),
        "tagsAll": tag_map(vpc.get("Tags", [])),
    }


def create_subnet(account: Account, inputs: Inputs) -> str:
    """Make a subnet; its range must lie in the VPC's, which the emulator does not ask."""
    ec2 = account.client("ec2")
    vpc = only(ec2.describe_vpcs(VpcIds=[inputs["vpcId"]])["Vpcs"], inputs["vpcId"])
    if not IPv4Network(inputs["cidrBlock"]).subnet_of(IPv4Network(vpc["CidrBlock"])):
        raise ValueError(f"cidrBlock {inputs['cidrBlock']} is not in the VPC's {vpc['CidrBlock']}")
    subnet = ec2.create_subnet(**inputs.take(SUBNET), **tags_at_birth("subnet", inputs))["Subnet"]
    if "mapPublicIpOnLaunch" in inputs:
        ec2.modify_subnet_attribute(
            SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": inputs["mapPublicIpOnLaunch"]}
        )
    return str(subnet["SubnetId"])


def read_subnet(account: Account, identity: str) -> dict[str, Any]:
    """Describe a subnet."""
    subnet = only(account.client("ec2").describe_subnets(SubnetIds=[identity])["Subnets"], identity)
    return {
        **shown(subnet, {**SUBNET, "arn": "SubnetArn", "mapPublicIpOnLaunch": "MapPublicIpOnLaunch"}),
        "tagsAll": tag_map(subnet.get("Tags", [])),
    }


def create_internet_gateway(account: Account, inputs: Inputs) -> str:
    """Make an internet gateway and attach it."""
    ec2 = account.client("ec2")
    gateway = ec2.create_internet_gateway(**tags_at_birth("internet-gateway", inputs))["InternetGateway"]
    if "vpcId" in inputs:
        ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=inputs["vpcId"])
    return str(gateway["InternetGatewayId"])


def read_internet_gateway(account: Account, identity: str) -> dict[str, Any]:
    """Describe an internet gateway and where it is attached."""
    found = account.client("ec2").describe_internet_gateways(InternetGatewayIds=[identity])
    gateway = only(found["InternetGateways"], identity)
    return {
        "vpcId": only(gateway["Attachments"], f"attachments of {identity}")["VpcId"],
        "tagsAll": tag_map(gateway.get("Tags", [])),
    }


def create_route_table(account: Account, inputs: Inputs) -> str:
    """Make a route table; its routes are resources of their own."""
    ec2 = account.client("ec2")
    table = ec2.create_route_table(VpcId=inputs["vpcId"], **tags_at_birth("route-table", inputs))
    return str(table["RouteTable"]["RouteTableId"])


def read_route_table(account: Account, identity: str) -> dict[str, Any]:
    """Describe a route table."""
    table = _route_table(account, identity)
    return {"vpcId": table["VpcId"], "tagsAll": tag_map(table.get("Tags", []))}


def _route_table(account: Account, identity: str) -> dict[str, Any]:
    found = account.client("ec2").describe_route_tables(RouteTableIds=[identity])["RouteTables"]
    return dict(only(found, identity))


def create_route(account: Account, inputs: Inputs) -> str:
    """Make a route."""
    table = inputs["routeTableId"]
    account.client("ec2").create_route(RouteTableId=table, **inputs.take(ROUTE))
    return ROUTE_ID.format(table=table, destination=inputs["destinationCidrBlock"])


def read_route(account: Account, identity: str) -> dict[str, Any]:
    """Describe a route."""
    table, destination = identity.split("_", 1)
    routes = _route_table(account, table)["Routes"]
    route = only([r for r in routes if r.get("DestinationCidrBlock") == destination], identity)
    return {"routeTableId": table, "state": route["State"], **shown(route, ROUTE)}


def create_route_table_association(account: Account, inputs: Inputs) -> str:
    """Tie a subnet to a route table."""
    answer = account.client("ec2").associate_route_table(
        RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"]
    )
    return str(answer["AssociationId"])


def read_route_table_association(account: Account, identity: str) -> dict[str, Any]:
    """Describe the tie."""
    tables = account.client("ec2").describe_route_tables(
        Filters=[{"Name": "association.route-table-association-id", "Values": [identity]}]
    )["RouteTables"]
    ties = [tie for table in tables for tie in table["Associations"]]
    tie = only([tie for tie in ties if tie["RouteTableAssociationId"] == identity], identity)
    return shown(tie, {"routeTableId": "RouteTableId", "subnetId": "SubnetId"})


def create_address(account: Account, inputs: Inputs) -> str:
    """Allocate a public address."""
    answer = account.client("ec2").allocate_address(
        **inputs.take({"domain": "Domain"}), **tags_at_birth("elastic-ip", inputs)
    )
    return str(answer["AllocationId"])


def read_address(account: Account, identity: str) -> dict[str, Any]:
    """Describe a public address."""
    address = only(account.client("ec2").describe_addresses(AllocationIds=[identity])["Addresses"], identity)
    return {
        **shown(address, {"allocationId": "AllocationId", "domain": "Domain", "publicIp": "PublicIp"}),
        "tagsAll": tag_map(address.get("Tags", [])),
    }


def create_nat_gateway(account: Account, inputs: Inputs) -> str:
    """Make a NAT gateway."""
    answer = account.client("ec2").create_nat_gateway(
        **inputs.take({"subnetId": "SubnetId", "allocationId": "AllocationId"}),
        **tags_at_birth("natgateway", inputs),
    )
    return str(answer["NatGateway"]["NatGatewayId"])


def read_nat_gateway(account: Account, identity: str) -> dict[str, Any]:
    """Describe a NAT gateway."""
    found = account.client("ec2").describe_nat_gateways(NatGatewayIds=[identity])["NatGateways"]
    gateway = only(found, identity)
    addresses = gateway["NatGatewayAddresses"]
    return {
        "subnetId": gateway["SubnetId"],
        **(shown(addresses[0], {"allocationId": "AllocationId"}) if addresses else {}),
        "tagsAll": tag_map(gateway.get("Tags", [])),
    }


HANDLERS = {
    "aws:ec2/vpc:Vpc": Handler(create_vpc, read_vpc),
    "aws:ec2/subnet:Subnet": Handler(create_subnet, read_subnet),
    "aws:ec2/internetGateway:InternetGateway": Handler(create_internet_gateway, read_internet_gateway),
    "aws:ec2/routeTable:RouteTable": Handler(create_route_table, read_route_table),
    "aws:ec2/route:Route": Handler(create_route, read_route),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Handler(
        create_route_table_association, read_route_table_association
    ),
    "aws:ec2/eip:Eip": Handler(create_address, read_address),
    "aws:ec2/natGateway:NatGateway": Handler(create_nat_gateway, read_nat_gateway),
}
