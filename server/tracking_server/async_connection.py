"""A psycopg2 connection of the event loop's own: it is waited for without a thread."""

import asyncio
import contextlib
from typing import Any

import psycopg2
from botocore.exceptions import BotoCoreError
from psycopg2.extensions import POLL_OK, POLL_READ

# Of opening and using one; a timeout is an OSError too.
FAILURES = (psycopg2.Error, BotoCoreError, OSError)


async def finish(connection: Any) -> None:
    """Wait until the connection has done what it was told."""
    loop = asyncio.get_running_loop()
    while (state := connection.poll()) != POLL_OK:
        ready = loop.create_future()
        watch, unwatch = (
            (loop.add_reader, loop.remove_reader)
            if state == POLL_READ
            else (loop.add_writer, loop.remove_writer)
        )
        descriptor = connection.fileno()
        watch(descriptor, _wake, ready)
        try:
            await ready
        finally:
            unwatch(descriptor)


def close(connection: Any) -> None:
    """Close it, if there is one; it may be broken."""
    if connection is not None:
        with contextlib.suppress(psycopg2.Error):
            connection.close()


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
