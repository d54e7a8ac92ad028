"""How many logins may fail in a minute before STS is asked no more: of a key, of an address, and of all."""

import ipaddress
import time
from collections.abc import Callable

from cachetools import TTLCache

SECONDS = 60
# A fleet of jobs with wrong credentials behind one address is a hundred processes; a flood is thousands.
OF_AN_ADDRESS = 60
# One process whose credentials have ended signs anew for each request; it must not use up its neighbours'
# share, who come from the same address where a network has one for all.
OF_A_KEY = 5
# Addresses that failed already get no more than this together, so that a few of them shut nobody out.
OF_ALL = 300
# And all together this: STS bears hundreds a second for an account.
OF_EVERYBODY = 3000
# Keys and addresses from which a login succeeded in the last hour renew theirs whatever the others do.
KNOWN_SECONDS = 3600
# Beyond it the oldest is forgotten.
MOST = 10_000
IPV6_NETWORK = 64  # what one customer gets

Bearer = tuple[str, str]


class Budget:
    """Counts failures by address, by key and in all, and knows whose logins succeeded.

    A bearer is an address and the id of the key that signed: strangers know no team's key ids, and from
    another address they would gain nothing by one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses: TTLCache[str, list[int]] = TTLCache(MOST, SECONDS, clock)
        self._keys: TTLCache[Bearer, list[int]] = TTLCache(MOST, SECONDS, clock)
        self._all: TTLCache[str, list[int]] = TTLCache(1, SECONDS, clock)
        self._known: TTLCache[str, bool] = TTLCache(MOST, KNOWN_SECONDS, clock)
        self._known_keys: TTLCache[Bearer, bool] = TTLCache(MOST, KNOWN_SECONDS, clock)

    def spent(self, bearer: Bearer) -> bool:
        """Tell whether logins of this bearer must wait."""
        address, _ = bearer
        of_the_key = self._keys.get(bearer, [0])[0]
        if bearer in self._known_keys:
            # Processes of one machine share a key, and one of them may know the server by a wrong name.
            return of_the_key >= OF_AN_ADDRESS
        if of_the_key >= OF_A_KEY:
            return True
        own, everybody = self._addresses.get(address, [0])[0], self._all.get("", [0])[0]
        if own >= OF_AN_ADDRESS:
            return True
        return address not in self._known and everybody >= (OF_ALL if own else OF_EVERYBODY)

    def failed(self, bearer: Bearer, *, by_key: bool = True) -> None:
        """Count a failure, of the key too where it is at fault."""
        if bearer not in self._known_keys:
            self._addresses.setdefault(bearer[0], [0])[0] += 1
        self._all.setdefault("", [0])[0] += 1
        if by_key:
            self._keys.setdefault(bearer, [0])[0] += 1

    def succeeded(self, bearer: Bearer) -> None:
        """Remember a bearer."""
        self._known[bearer[0]] = True
        self._known_keys[bearer] = True


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
