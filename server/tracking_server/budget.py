"""How many logins may fail in a minute before STS is asked no more: for one address, and for all together."""

import ipaddress
import time
from collections.abc import Callable

from cachetools import TTLCache

SECONDS = 60
# A fleet of jobs with wrong credentials behind one address is a hundred processes; a flood is thousands.
OF_AN_ADDRESS = 60
# STS bears hundreds a second for an account; whoever has many addresses gets no more than this out of it.
OF_ALL = 300
# Addresses from which a login succeeded in the last hour renew theirs whatever the others do.
KNOWN_SECONDS = 3600
# Beyond it the oldest is forgotten; more than OF_ALL are counted only for known addresses.
MOST_ADDRESSES = 10_000
IPV6_NETWORK = 64  # what one customer gets


class Budget:
    """Counts failures by address and in all, and knows whence logins succeeded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures: TTLCache[str, list[int]] = TTLCache(MOST_ADDRESSES, SECONDS, clock)
        self._all: TTLCache[str, list[int]] = TTLCache(1, SECONDS, clock)
        self._known: TTLCache[str, bool] = TTLCache(MOST_ADDRESSES, KNOWN_SECONDS, clock)

    def spent(self, address: str) -> bool:
        """Tell whether logins from this address must wait."""
        if self._failures.get(address, [0])[0] >= OF_AN_ADDRESS:
            return True
        return address not in self._known and self._all.get("", [0])[0] >= OF_ALL

    def failed(self, address: str) -> None:
        """Count a failure."""
        self._failures.setdefault(address, [0])[0] += 1
        self._all.setdefault("", [0])[0] += 1

    def succeeded(self, address: str) -> None:
        """Remember an address."""
        self._known[address] = True


def address_of(forwarded: list[bytes], peer: str) -> str:
    """Return who asks: the last entry is the load balancer's, those before are the client's words."""
    last = forwarded[-1].rpartition(b",")[2].strip().decode("latin-1") if forwarded else peer
    try:
        address = ipaddress.ip_address(last)
    except ValueError:
        return peer
    if address.version == 4:  # noqa: PLR2004 - the protocol's name
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_NETWORK), strict=False))
