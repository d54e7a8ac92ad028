"""One request on its way through the fault proxy, and what can befall it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from rehearsal.load_balancer import HOP_BY_HOP

# Closed with it, a connection ends in a reset and not in a polite end.
LINGER_NOT = struct.pack("ii", 1, 0)
ADDED_BY_CLIENT = ("User-Agent", "Content-Type", "Accept", "Accept-Encoding")


@dataclass(frozen=True)
class Answer:
    """What an upstream answered, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """One request, read whole, that has not gone anywhere yet.

    Attributes:
        request: the client's.
        healed: set once the line's fault is over.
    """

    def __init__(
        self,
        request: web.Request,
        body: bytes,
        *,
        upstream: str,
        session: aiohttp.ClientSession,
        healed: asyncio.Event,
    ) -> None:
        self.request = request
        self.healed = healed
        self._body = body
        self._upstream = upstream
        self._session = session

    async def forward(self) -> Answer:
        """Let the upstream answer; where it cannot, the answer is a bad gateway's."""
        # The host stays what the client signed.
        left_out = HOP_BY_HOP | {"expect", "content-length"}
        headers = [(k, v) for k, v in self.request.headers.items() if k.lower() not in left_out]
        try:
            async with self._session.request(
                self.request.method,
                URL(self._upstream + self.request.raw_path, encoded=True),
                headers=headers,
                data=self._body if self.request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=ADDED_BY_CLIENT,
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
                return Answer(answer.status, kept, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer(502, {"Content-Type": "text/plain"}, str(error).encode())

    async def send(self, answer: Answer, *, share: float = 1.0) -> web.StreamResponse:
        """Send an answer on, or no more than a share of it before the connection is cut."""
        response = web.StreamResponse(status=answer.status)
        for name, value in answer.headers.items():
            if name.lower() != "content-length":
                response.headers.add(name, value)
        if self.request.method == "HEAD":
            response.headers["Content-Length"] = answer.headers.get("Content-Length", "0")
        else:
            response.content_length = len(answer.body)
        with contextlib.suppress(ConnectionError):  # the client has gone
            await response.prepare(self.request)
            if share < 1:
                await response.write(answer.body[: int(len(answer.body) * share)])
                self.cut()
            else:
                await response.write(answer.body)
                await response.write_eof()
        return response

    def cut(self) -> web.StreamResponse:
        """Reset the connection without an answer."""
        if (transport := self.request.transport) is not None:
            with contextlib.suppress(OSError):  # closed already
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            transport.abort()
        return web.Response()
