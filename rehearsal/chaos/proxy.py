"""The fault proxy: each client has lines of its own through it, and each line a fault of its own."""

import asyncio
import ssl
import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import Self

import aiohttp
from aiohttp import web

from rehearsal.certificates import Certificate
from rehearsal.chaos.exchange import Exchange
from rehearsal.chaos.faults import Fault
from rehearsal.processes import POLL_SECONDS, listening_socket

START_SECONDS = 10.0
UPSTREAM_SECONDS = 120.0
# Before that a client has ended long ago, and with it the reason to ask.
KEEP_ALIVE_SECONDS = 60.0


class TooManyRequestsError(RuntimeError):
    """More requests came than a chaos rehearsal may cost: a client asks without end."""


class FaultProxy:
    """Serves lines while the context is open.

    Attributes:
        requests: how many came, over all lines.
    """

    def __init__(self, certificate: Certificate, ca_bundle: str, *, most: int) -> None:  # noqa: D417
        """Nothing is served yet.

        Args:
            ca_bundle: what the upstreams are trusted by.
            most: requests that are let through.
        """
        self._served_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._served_tls.load_cert_chain(certificate.chain, certificate.key)
        self._asked_tls = ssl.create_default_context(cafile=ca_bundle)
        self._most = most
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._session: aiohttp.ClientSession | None = None
        self._runners: list[web.AppRunner] = []
        self._lines: list[Line] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def requests(self) -> int:
        """How many requests came."""
        return sum(line.requests for line in self._lines)

    def line(self, upstream: str) -> "Line":
        """Open one more line, to an `https://host:port`."""
        return asyncio.run_coroutine_threadsafe(self._open(upstream), self._loop).result(START_SECONDS)

    def check(self) -> None:
        """Hold the number of requests against the bound.

        Raises:
            TooManyRequestsError: it is passed.
        """
        if self.requests > self._most:
            raise TooManyRequestsError(f"{self.requests} requests came, the bound is {self._most}")

    def await_quiet(self, seconds: float) -> bool:
        """Wait until no request is under way; False when some still are."""
        deadline = time.monotonic() + seconds
        while any(line.under_way for line in self._lines):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    async def _open(self, upstream: str) -> "Line":
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=UPSTREAM_SECONDS),
                connector=aiohttp.TCPConnector(limit=0, ssl=self._asked_tls),
            )
        line = Line(upstream, self._loop)
        application = web.Application(client_max_size=2**30)

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(line, request)

        application.router.add_route("*", "/{path:.*}", serve)
        runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS, shutdown_timeout=1.0,
            auto_decompress=False,
        )  # fmt: skip
        await runner.setup()
        listener = listening_socket()
        await web.SockSite(runner, listener, ssl_context=self._served_tls).start()
        line.port = listener.getsockname()[1]
        self._runners.append(runner)
        self._lines.append(line)
        return line

    async def _serve(self, line: "Line", request: web.Request) -> web.StreamResponse:
        line.requests += 1
        if self._session is None or self.requests > self._most:
            return web.Response(status=503, text="the bound of requests is passed")
        line.under_way += 1
        try:
            fault, healed = line.fault, line.healed
            try:
                body = await request.read()
            except ConnectionError:  # the client has died
                return web.Response()
            exchange = Exchange(request, body, upstream=line.upstream, session=self._session, healed=healed)
            if fault is None or healed.is_set() or not fault.strikes(request, line.random):
                return await exchange.send(await exchange.forward())
            line.struck += 1
            return await fault.strike(exchange)
        finally:
            line.under_way -= 1

    async def _close(self) -> None:
        for line in self._lines:
            line.healed.set()
        for runner in self._runners:
            await runner.cleanup()
        if self._session is not None:
            await self._session.close()


@dataclass
class Line:
    """One client's way to one upstream.

    Attributes:
        port: where it listens on loopback.
        fault: what befalls requests until it is healed, or None.
        healed: set when nothing is wrong.
        requests: how many came.
        struck: how many of them met the fault.
        under_way: how many have no answer yet.
        random: which of the requests a fault strikes.
    """

    upstream: str
    loop: asyncio.AbstractEventLoop
    port: int = 0
    fault: Fault | None = None
    healed: asyncio.Event = field(default_factory=asyncio.Event)
    requests: int = 0
    struck: int = 0
    under_way: int = 0
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - repeats, by a seed

    def break_with(self, fault: Fault, seed: str) -> None:
        """Let a fault strike from now on; the seed says which requests."""
        self.heal()
        self.random = Random(seed)  # noqa: S311 - repeats, by a seed
        self.healed = asyncio.Event()
        self.fault = fault

    def heal(self) -> None:
        """Let requests through, those too that are held."""
        self.fault = None
        self.loop.call_soon_threadsafe(self.healed.set)
