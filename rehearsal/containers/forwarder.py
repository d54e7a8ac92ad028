"""Passes connections on: `python forwarder.py FROM=TO …`, each a loopback port or a Unix socket's path.

It stands at both ends of the sockets by which a task's containers reach loopback, and needs Python alone.
"""

import asyncio
import contextlib
import os
import signal
import sys

BACKLOG = 512
CHUNK_BYTES = 65536
LOOPBACKS = ("127.0.0.1", "::1")
READY = "forwarding"


async def forward(source: str, target: str) -> None:
    """Listen at the source, and open a connection to the target for each that comes."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await _open(target)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
            writer.close()
            to_writer.close()
        except OSError:
            writer.transport.abort()
            to_writer.transport.abort()

    if not source.isdecimal():
        await asyncio.start_unix_server(accept, source, backlog=BACKLOG)
        # Whoever could open it could open the port behind it.
        os.chmod(source, 0o666)  # noqa: PTH101, S103 - no thread of its own is worth a socket
        return
    await asyncio.start_server(accept, LOOPBACKS[0], int(source), backlog=BACKLOG)
    # Where there is no IPv6, nobody asks for it.
    with contextlib.suppress(OSError):
        await asyncio.start_server(accept, LOOPBACKS[1], int(source), backlog=BACKLOG)


async def _open(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.isdecimal():
        return await asyncio.open_connection(LOOPBACKS[0], int(target))
    return await asyncio.open_unix_connection(target)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass bytes on until their end, then the end; the other direction may go on."""
    while chunk := await source.read(CHUNK_BYTES):
        sink.write(chunk)
        await sink.drain()
    sink.write_eof()


async def main(routes: list[str]) -> None:
    """Forward until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    for route in routes:
        await forward(*route.split("=", 1))
    print(READY, flush=True)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
