"""The server's own record: one line of JSON for each write, each refused caller, and of the rest so many."""

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from .caller import Caller
from .identity import Identity
from .refusal import Refusal

NAME = "tracking_server.audit"
# Whoever is not let in writes no more than this into the log, which costs money and hides the rest.
STRANGERS_LINES = 20
STRANGERS_SECONDS = 60
LOG = logging.getLogger(NAME)


class Audit:
    """Writes the lines; strangers' are counted where they are too many to write."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = -float(STRANGERS_SECONDS)
        self._lines = 0
        self._left_out = 0

    def called(
        self, what: str, caller: Caller, identity: Identity | None, route: str | None, status: int
    ) -> None:
        """Record what a caller did, or was refused, and with which role: a session may take any name."""
        _write(
            what,
            who=caller.name,
            **_role(identity),
            team=caller.team,
            level=caller.level,
            route=route,
            status=status,
        )

    def stranger(self, refusal: Refusal, identity: Identity | None, address: str) -> None:
        """Record who was not let in, as far as it is known."""
        now = self._clock()
        if now - self._began >= STRANGERS_SECONDS:
            self._began, self._lines = now, 0
        if self._lines >= STRANGERS_LINES:
            self._left_out += 1
            return
        self._lines += 1
        known = {"who": identity.session, **_role(identity)} if identity else {}
        left_out, self._left_out = self._left_out, 0
        _write(
            "not let in",
            **known,
            address=address,
            rule=refusal.rule,
            status=refusal.status,
            left_out=left_out,
        )


def _role(identity: Identity | None) -> dict[str, str]:
    return {"role": identity.role.name, "account": identity.role.account} if identity else {}


def _write(what: str, **fields: str | int | None) -> None:
    line = {"audit": what, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
    # ASCII, with line ends escaped: no name can forge a line.
    LOG.info("%s", json.dumps(line))
