"""The network: where the boxes stand, and the tasks' way out."""

from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from address_plan import ZONES, plan
from documents import rendered
from policies import deliver_flow_logs, trust_service

ANYWHERE = "0.0.0.0/0"
# No Fargate in the first two ("Supported Regions for Amazon ECS on AWS Fargate"), no db.t4g in the third.
LACKING_ZONES = ["usw1-az2", "apne1-az3", "use1-az3"]


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made from.

    Attributes:
        cidr: the VPC's private range, /16 to /24.
        region: AWS region.
        egress: `nat` or `public-ip`.
        log_days: how long flow logs are kept.
        disposable: whether the VPC may be destroyed at once.
    """

    cidr: str
    region: str
    egress: str
    log_days: int
    disposable: bool


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a box stands.

    Attributes:
        vpc_id: the VPC.
        subnet_ids: one subnet in each zone.
        public_ip: whether what stands there needs a public address to get out.
    """

    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    public_ip: bool


class Network(pulumi.ComponentResource):
    """A VPC over two availability zones.

    Creates a public and a private subnet in each zone, an internet gateway, route tables, a gateway endpoint
    to S3, flow logs, and a default security group that lets nothing through. With `egress: nat` also one NAT
    gateway: one costs half of two, and when its zone fails the other zone's tasks cannot reach AWS either.

    Attributes:
        private: for what callers reach from inside only, and the database.
        public: for what the internet reaches.
        tasks: for what must reach AWS.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:network:Network"

    private: Site
    public: Site
    tasks: Site

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            # RDS and the load balancer cannot move to another VPC: a replacement would stop half-way.
            opts=pulumi.ResourceOptions(parent=self, protect=not args.disposable),
        )
        aws.ec2.DefaultSecurityGroup(f"{name}-default-security-group", vpc_id=self._vpc.id, opts=self._child)
        self._zones = aws.get_availability_zones_output(
            state="available",
            filters=[{"name": "zone-type", "values": ["availability-zone"]}],
            exclude_zone_ids=LACKING_ZONES,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        addresses = plan(args.cidr)
        public = self._subnets("public", addresses.public)
        private = self._subnets("private", addresses.private)
        public_routes = self._route_table("public", public)
        private_routes = self._route_table("private", private)
        self._internet(public_routes)
        if args.egress == "nat":
            self._nat(public[0], private_routes)
        self._s3_endpoint(public_routes, private_routes)
        self._flow_logs()

        self.private = self._site(private, public_ip=False)
        self.public = self._site(public, public_ip=True)
        self.tasks = self.public if args.egress == "public-ip" else self.private
        self.register_outputs({"vpc_id": self._vpc.id})

    def _site(self, subnets: list[aws.ec2.Subnet], *, public_ip: bool) -> Site:
        return Site(vpc_id=self._vpc.id, subnet_ids=[subnet.id for subnet in subnets], public_ip=public_ip)

    def _subnets(self, kind: str, cidrs: tuple[str, ...]) -> list[aws.ec2.Subnet]:
        # A zone that AWS adds to the region must not move a subnet, which would replace what stands in it.
        opts = pulumi.ResourceOptions(parent=self, ignore_changes=["availability_zone"])
        return [
            aws.ec2.Subnet(
                f"{self._name}-{kind}-subnet-{zone}",
                vpc_id=self._vpc.id,
                cidr_block=cidrs[zone],
                availability_zone=self._zones.names[zone],
                map_public_ip_on_launch=False,
                opts=opts,
            )
            for zone in range(ZONES)
        ]

    def _route_table(self, kind: str, subnets: list[aws.ec2.Subnet]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(f"{self._name}-{kind}-routes", vpc_id=self._vpc.id, opts=self._child)
        for zone, subnet in enumerate(subnets):
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{kind}-subnet-{zone}-routes",
                subnet_id=subnet.id,
                route_table_id=table.id,
                opts=self._child,
            )
        return table

    def _internet(self, routes: aws.ec2.RouteTable) -> None:
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet-gateway", vpc_id=self._vpc.id, opts=self._child
        )
        self._way_out = aws.ec2.Route(
            f"{self._name}-internet-route",
            route_table_id=routes.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )

    def _nat(self, subnet: aws.ec2.Subnet, routes: aws.ec2.RouteTable) -> None:
        address = aws.ec2.Eip(f"{self._name}-nat-address", domain="vpc", opts=self._child)
        gateway = aws.ec2.NatGateway(
            f"{self._name}-nat-gateway",
            subnet_id=subnet.id,
            allocation_id=address.allocation_id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._way_out]),
        )
        aws.ec2.Route(
            f"{self._name}-nat-route",
            route_table_id=routes.id,
            destination_cidr_block=ANYWHERE,
            nat_gateway_id=gateway.id,
            opts=self._child,
        )

    def _s3_endpoint(self, *tables: aws.ec2.RouteTable) -> None:
        # Its policy stays open: image layers come through it from a bucket of ECR's.
        aws.ec2.VpcEndpoint(
            f"{self._name}-s3-endpoint",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{self._args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            opts=self._child,
        )

    def _flow_logs(self) -> None:
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-flow-logs", retention_in_days=self._args.log_days, opts=self._child
        )
        role = aws.iam.Role(
            f"{self._name}-flow-logs-role",
            assume_role_policy=rendered(trust_service, "vpc-flow-logs.amazonaws.com", logs.arn),
            opts=self._child,
        )
        policy = aws.iam.RolePolicy(
            f"{self._name}-flow-logs-policy",
            role=role.name,
            policy=rendered(deliver_flow_logs, logs.arn),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
