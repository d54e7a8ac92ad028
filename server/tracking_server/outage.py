"""What the server answers while its database is away: 503, and when to come again."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Self

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from .asgi import App, Message, Receive, Scope, Send
from .refusal import Refusal, refuse

# How often an absent database is asked; one at a dead address takes longer, and the next comes at once.
POLL_SECONDS = 1.0
# A client is told to come again after as long as the outage lasted so far: MLflow's own comes seven times,
# which then spans three minutes and more, and a failover takes one or two.
RETRY_SECONDS = range(5, 61)
FAILED = 400  # HTTP's
# By Postgres's appendix of error codes: connection exceptions, a server that stops or starts, no slot for
# another connection, and one that takes no writes, as the former primary after a failover.
AWAY = re.compile(r"08...|57P0.|53300|25006", re.ASCII)
LOG = logging.getLogger("tracking_server")


@dataclass
class _Request:
    is_away: Callable[[], bool]
    lost: bool = False


_REQUEST: ContextVar[_Request] = ContextVar("request")


def lost() -> None:
    """Note that the request under way, if any, failed for want of a database."""
    if request := _REQUEST.get(None):
        request.lost = True


def away() -> bool:
    """Tell whether the database was found away since the request under way, if any, was let in."""
    request = _REQUEST.get(None)
    return request is not None and request.is_away()


@event.listens_for(Engine, "handle_error")
def _note(context: ExceptionContext) -> None:
    if context.is_pre_ping:  # another connection is tried
        return
    if AWAY.fullmatch(getattr(context.original_exception, "pgcode", None) or ""):
        context.is_disconnect = True  # so that the pool forgets its connections
    if context.is_disconnect or context.connection is None:
        lost()


class Outage:
    """Knows from the first request that fails until a check passes that the database is away."""

    def __init__(
        self,
        check: Callable[[], Awaitable[str | None]],
        renew: Sequence[Callable[[], None]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked while all is well.

        Args:
            check: returns in bounded time why the database is away, or None.
            renew: called when it is back; whoever keeps connections forgets them.
            clock: in seconds.
        """
        self._check = check
        self._renew = renew
        self._clock = clock
        self._since = 0.0
        self._away = False
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def guard(self, app: App) -> App:
        """Return the app, not asked while the database is away, and with 503 where it failed for want of it.

        What it answers for any other reason goes out as it is.
        """

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if self._away:
                await refuse(send, self._refusal())
                return
            request = _Request(lambda: self._away)
            begun = False
            replaced = False

            async def watched(message: Message) -> None:
                nonlocal begun, replaced
                if message["type"] == "http.response.start":
                    begun = True
                    replaced = request.lost and message["status"] >= FAILED
                    if replaced:
                        await self._lost(send)
                if not replaced:
                    await send(message)

            before = _REQUEST.set(request)
            try:
                await app(scope, receive, watched)
            except Exception:
                if begun or not request.lost:
                    raise
                await self._lost(send)
            finally:
                _REQUEST.reset(before)

        return guarded

    async def _lost(self, send: Send) -> None:
        if self._watching is None:
            self._since = self._clock()
            self._watching = asyncio.create_task(self._watch())
        await refuse(send, self._refusal())

    def _refusal(self) -> Refusal:
        lasted = int(self._clock() - self._since)
        return Refusal(
            status=503,
            rule="no database",
            message="The server's database is away; the same request works when it is back",
            retry_seconds=max(RETRY_SECONDS[0], min(lasted, RETRY_SECONDS[-1])),
        )

    async def _watch(self) -> None:
        """Ask until the database is there. One that is there at once has only lost a connection."""
        try:
            asked_at = self._clock()
            while (reason := await self._check()) is not None:
                if not self._away:
                    LOG.warning("the database is away: %s", reason)
                self._away = True
                await asyncio.sleep(max(0.0, asked_at + POLL_SECONDS - self._clock()))
                asked_at = self._clock()
            if self._away:
                LOG.warning("the database is back after %.1f s", self._clock() - self._since)
                for renew in self._renew:
                    renew()
        finally:
            self._away = False
            self._watching = None
