"""The front door: the load balancer that callers reach the tracking server through, by TLS alone."""

from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from network import Site
from origins import allowed_hosts, allowed_origins

HTTPS = 443
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
IDLE_SECONDS = 60  # the server keeps idle connections open for longer, else callers see random 502s
DRAIN_SECONDS = 30
HEALTH_PATH = "/health"
HEALTH_INTERVAL_SECONDS = 10
HEALTHY_AFTER = 2  # checks
UNHEALTHY_AFTER = 3  # checks
VALIDATION_TTL_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class FrontDoorArgs:
    """What the front door is made from.

    Attributes:
        site: where it stands.
        public: whether the internet reaches it.
        callers: CIDR blocks that may connect.
        target_port: port of the tracking server.
        domain: its name.
        hosted_zone_id: Route 53 zone to make the name in, or empty.
        certificate_arn: certificate of the name; when empty, one is made in the hosted zone.
        disposable: whether the load balancer may be deleted at once.
        after: what must stand before the load balancer is made, and until it is gone.
    """

    site: Site
    public: bool
    callers: tuple[str, ...]
    target_port: int
    domain: str
    hosted_zone_id: str
    certificate_arn: str
    disposable: bool
    after: list[pulumi.Resource]


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """What a server behind the front door needs to know of it.

    Attributes:
        server_id: what callers sign their tokens for: the name in the tracking URI.
        hosts: `Host` headers to accept, comma-separated.
        origins: `Origin` headers to accept, comma-separated.
        target_group_arn: where tasks register.
        request_label: names the load balancer and the target group to autoscaling.
    """

    server_id: str
    hosts: pulumi.Input[str]
    origins: pulumi.Input[str]
    target_group_arn: pulumi.Input[str]
    request_label: pulumi.Input[str]


class FrontDoor(pulumi.ComponentResource):
    """An application load balancer, internal or facing the internet.

    Creates its security group, the load balancer, the target group and a TLS listener; in a hosted zone also
    the domain's record and, unless one is given, its certificate. Nothing answers on port 80: whoever calls
    it has sent the token in the clear before a redirect could answer, and a closed port takes none.

    Attributes:
        uri: where clients send their requests.
        entrance: what the server needs to know.
        security_group_id: whom the server lets in.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:front_door:FrontDoor"

    uri: str
    entrance: Entrance
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: FrontDoorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._security_group = self._guarded_security_group()
        self._load_balancer = self._make_load_balancer()
        self._targets = self._target_group()
        self._tls_listener(args.certificate_arn or self._certificate())
        if args.hosted_zone_id:
            self._alias()

        self.uri = f"https://{args.domain}"
        self.entrance = self._entrance()
        self.security_group_id = self._security_group.id
        self.register_outputs({"uri": self.uri})

    def _entrance(self) -> Entrance:
        domain = self._args.domain
        return Entrance(
            server_id=domain,
            hosts=",".join(allowed_hosts(domain)),
            origins=",".join(allowed_origins(domain)),
            target_group_arn=self._targets.arn,
            request_label=pulumi.Output.concat(self._load_balancer.arn_suffix, "/", self._targets.arn_suffix),
        )

    def _guarded_security_group(self) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-security-group",
            description="Front door: TLS from the allowed networks",
            vpc_id=self._args.site.vpc_id,
            opts=self._child,
        )
        for cidr in self._args.callers:
            # A name from the config: the rule's identity is the network that it lets in, not its place.
            aws.vpc.SecurityGroupIngressRule(
                f"{self._name}-from-{cidr.replace('/', '-')}-to-{HTTPS}",
                security_group_id=group.id,
                cidr_ipv4=cidr,
                ip_protocol="tcp",
                from_port=HTTPS,
                to_port=HTTPS,
                opts=self._child,
            )
        return group

    def _make_load_balancer(self) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{self._name}-load-balancer",
            load_balancer_type="application",
            internal=not self._args.public,
            subnets=self._args.site.subnet_ids,
            security_groups=[self._security_group.id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            preserve_host_header=True,
            enable_deletion_protection=not self._args.disposable,
            # One that faces the internet needs the VPC's gateway, and holds it until it is gone.
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._args.after),
        )

    def _target_group(self) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            f"{self._name}-target-group",
            vpc_id=self._args.site.vpc_id,
            target_type="ip",
            protocol="HTTP",
            port=self._args.target_port,
            deregistration_delay=DRAIN_SECONDS,
            health_check={
                "path": HEALTH_PATH,
                "matcher": "200",
                "interval": HEALTH_INTERVAL_SECONDS,
                "healthy_threshold": HEALTHY_AFTER,
                "unhealthy_threshold": UNHEALTHY_AFTER,
            },
            opts=self._child,
        )

    def _tls_listener(self, certificate_arn: pulumi.Input[str]) -> None:
        aws.lb.Listener(
            f"{self._name}-tls-listener",
            load_balancer_arn=self._load_balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=certificate_arn,
            default_actions=[{"type": "forward", "target_group_arn": self._targets.arn}],
            # A change of `public` makes another load balancer, and a target group serves one at a time.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _certificate(self) -> pulumi.Output[str]:
        certificate = aws.acm.Certificate(
            f"{self._name}-certificate",
            domain_name=self._args.domain,
            validation_method="DNS",
            opts=self._child,
        )
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{self._name}-certificate-validation-record",
            zone_id=self._args.hosted_zone_id,
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=VALIDATION_TTL_SECONDS,
            allow_overwrite=True,
            opts=self._child,
        )
        return aws.acm.CertificateValidation(
            f"{self._name}-certificate-validation",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._child,
        ).certificate_arn

    def _alias(self) -> None:
        aws.route53.Record(
            f"{self._name}-domain-record",
            zone_id=self._args.hosted_zone_id,
            name=self._args.domain,
            type="A",
            aliases=[
                {
                    "name": self._load_balancer.dns_name,
                    "zone_id": self._load_balancer.zone_id,
                    "evaluate_target_health": True,
                }
            ],
            opts=self._child,
        )
