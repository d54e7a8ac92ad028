"""Keeps the access list fresh beside the requests, and each team's workspace made before it is let in."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import NoReturn, Self

from .access_list import AccessList
from .caller import Caller
from .identity import Identity
from .refusal import Refusal

# A change in `teams` holds within a minute: this, and what SSM takes at worst.
POLL_SECONDS = 20
# For so long the last list counts while SSM does not answer; as long as a token lives.
KEPT_SECONDS = 900
NO_LIST = Refusal(
    status=503,
    rule="no access list",
    message="The server cannot read who may come in; ask the platform engineer to look at the server's log: "
    "aws logs tail <log group>",
    retry_seconds=POLL_SECONDS,
)
LOG = logging.getLogger("tracking_server.access")


class AccessWatch:
    """The current list: read at entering, then every 20 s until leaving.

    `load` and `make_workspaces` run in threads; the latter must bear that another task does the same.
    """

    def __init__(
        self,
        load: Callable[[], AccessList],
        make_workspaces: Callable[[Collection[str]], None],
        clock: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._load = load
        self._make_workspaces = make_workspaces
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._list: AccessList | None = None
        self._read_at = 0.0
        self._ready: frozenset[str] = frozenset()
        self._said: tuple[str, ...] = ()
        self._tasks: list[asyncio.Task[NoReturn]] = []

    async def __aenter__(self) -> Self:
        await self.refresh()
        await self._make_missing()
        self._tasks = [asyncio.create_task(self._repeat(self.refresh))]
        # On its own: a database that hangs must not keep a team in that was shut out.
        self._tasks.append(asyncio.create_task(self._repeat(self._make_missing)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()

    def admit(self, identity: Identity, signed_at: float, now: float) -> Caller | Refusal:
        """Return who it is in this stack, by a list that is not too old."""
        if self._list is None or self._clock() - self._read_at > KEPT_SECONDS:
            return NO_LIST
        admitted = self._list.admit(identity, signed_at, now)
        if isinstance(admitted, Caller) and admitted.team is not None and admitted.team not in self._ready:
            return _unready(admitted.team)
        return admitted

    async def refresh(self) -> None:
        """Read the list once and obey it from then on, or keep the last."""
        try:
            self._list = await asyncio.to_thread(self._load)
            self._read_at = self._clock()
        except Exception as error:  # noqa: BLE001 - whatever it is, the last list counts and the next poll comes
            LOG.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - a line, not a page every 20 s
            return
        if self._list.faults != self._said:
            self._said = self._list.faults
            for fault in self._said:
                LOG.error("%s", fault)

    async def _make_missing(self) -> None:
        missing = sorted((self._list.teams.keys() if self._list else set()) - self._ready)
        if not missing:
            return
        try:
            await asyncio.to_thread(self._make_workspaces, missing)
        except Exception as error:  # noqa: BLE001 - same
            LOG.error("no workspace for %s: %s", ", ".join(missing), error)  # noqa: TRY400 - same
        else:
            self._ready |= frozenset(missing)

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> NoReturn:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await step()


def _unready(team: str) -> Refusal:
    return Refusal(
        status=503,
        rule="no workspace yet",
        message=f"Team {team}'s workspace is being made; try again: sleep {POLL_SECONDS}",
        retry_seconds=POLL_SECONDS,
    )
