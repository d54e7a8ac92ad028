"""A doorway: where one box lets another one in."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Doorway:
    """A security group and the one TCP port that its box answers on."""

    security_group_id: pulumi.Input[str]
    port: int


def let_through(
    name: str, caller_group_id: pulumi.Input[str], door: Doorway, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Let a caller's security group out to the doorway, and in through it."""
    return [
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-out",
            description=name,
            security_group_id=caller_group_id,
            referenced_security_group_id=door.security_group_id,
            ip_protocol="tcp",
            from_port=door.port,
            to_port=door.port,
            opts=opts,
        ),
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-in",
            description=name,
            security_group_id=door.security_group_id,
            referenced_security_group_id=caller_group_id,
            ip_protocol="tcp",
            from_port=door.port,
            to_port=door.port,
            opts=opts,
        ),
    ]
