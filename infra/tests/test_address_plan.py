from ipaddress import IPv4Network
from itertools import combinations

import pytest

from address_plan import AddressPlan, plan


def test_each_zone_gets_an_eighth_for_each_kind() -> None:
    assert plan("10.42.0.0/16") == AddressPlan(
        public=("10.42.0.0/19", "10.42.32.0/19"), private=("10.42.64.0/19", "10.42.96.0/19")
    )


@pytest.mark.parametrize("vpc", ["10.0.0.0/16", "172.31.4.0/22", "192.168.255.0/24"])
def test_subnets_lie_in_the_vpc_and_apart(vpc: str) -> None:
    addresses = plan(vpc)
    subnets = [IPv4Network(cidr) for cidr in addresses.public + addresses.private]
    assert all(subnet.subnet_of(IPv4Network(vpc)) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


def test_smallest_vpc_still_holds_a_load_balancer() -> None:
    assert IPv4Network(plan("192.168.1.0/24").private[0]).prefixlen == 27


@pytest.mark.parametrize(
    "vpc",
    [
        *("", "ten", "::/16", "8.8.0.0/16", "172.32.0.0/16", "10.0.0.1/16", "10.0.0.0/15", "10.0.0.0/25"),
        *("10.42.0.0/255.255.0.0", "10.42.0.0/0.0.255.255", "10.42.0.0/016"),  # Python would take them
    ],
)
def test_other_blocks_are_refused(vpc: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ipaddress words it
        plan(vpc)
