"""Stands before a server that may go away: connections are refused, or nothing comes back on them."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, Self

CHUNK_BYTES = 65536
HOST = "127.0.0.1"


class Gate:
    """Passes connections on while the context is open, in a thread of its own.

    Attributes:
        port: where clients come; always the same.
    """

    def __init__(self, behind: int) -> None:
        """Name the server's port; nothing is opened yet."""
        self._behind = behind
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listener: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def refuse(self) -> None:
        """Be no longer there: what is connected breaks, and nobody listens."""
        self._do(self._refuse())

    def hang(self) -> None:
        """Take connections and requests, and answer nothing."""
        self._do(self._hang())

    def come_back(self) -> None:
        """Be there again, as after a restart: what has waited is gone."""
        self._do(self._come_back())

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in self._open:
            writer.transport.abort()
        self._passing.set()  # what waited finds its connection gone

    async def _hang(self) -> None:
        self._passing.clear()

    async def _come_back(self) -> None:
        await self._refuse()
        self._listener = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(HOST, self._behind)
        both = {writer, to_writer}
        self._open |= both
        try:
            with contextlib.suppress(OSError):
                await asyncio.gather(self._pump(reader, to_writer), self._pump(to_reader, writer))
        finally:
            self._open -= both
            for each in both:
                each.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(CHUNK_BYTES):
            await self._passing.wait()
            sink.write(chunk)
            await sink.drain()
        await self._passing.wait()
        sink.write_eof()
