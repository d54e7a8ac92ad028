"""Divides a VPC's addresses into subnets."""

from dataclasses import dataclass
from ipaddress import IPv4Network

ZONES = 2
LARGEST_VPC = 16  # prefix length; AWS takes no larger VPC
SMALLEST_VPC = 24  # prefix length; its eighths are /27, the smallest subnet that a load balancer accepts
EIGHTHS = 3  # bits
PRIVATE_RANGES = tuple(IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True, kw_only=True)
class AddressPlan:
    """Subnets by availability zone, as CIDR blocks."""

    public: tuple[str, ...]
    private: tuple[str, ...]


def network(cidr: str) -> IPv4Network:
    """Return the IPv4 network of an address and a prefix length.

    Raises:
        ValueError: it is none, or spelt otherwise: Python takes `10.42.0.0/255.255.0.0` too, AWS does not.
    """
    known = IPv4Network(cidr)
    if str(known) != cidr:
        raise ValueError(f"{cidr} is not {known}")
    return known


def plan(vpc_cidr: str) -> AddressPlan:
    """Give each zone an eighth of the VPC for its public and one for its private subnet; half stays free.

    Raises:
        ValueError: the block is no private IPv4 network between /16 and /24.
    """
    vpc = network(vpc_cidr)
    if not LARGEST_VPC <= vpc.prefixlen <= SMALLEST_VPC:
        raise ValueError(f"{vpc_cidr} is not between /{LARGEST_VPC} and /{SMALLEST_VPC}")
    if not any(vpc.subnet_of(private) for private in PRIVATE_RANGES):
        raise ValueError(f"{vpc_cidr} is not in {', '.join(map(str, PRIVATE_RANGES))}")
    eighths = [str(subnet) for subnet in vpc.subnets(prefixlen_diff=EIGHTHS)]
    return AddressPlan(public=tuple(eighths[:ZONES]), private=tuple(eighths[ZONES : 2 * ZONES]))
