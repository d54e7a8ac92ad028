"""A few connections of the event loop's own: writes that come while all are busy share the next commit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Self

from psycopg2.errors import UniqueViolation

from .async_connection import FAILURES, close, finish
from .connections import WRITES
from .database import words
from .plain_writes import Write
from .write_statement import EXECUTE, NEW, PREPARE, REPEATED, SETTINGS, arguments

# In one commit; one request may be half as large.
ROWS_AT_ONCE = 2000
# Beyond it MLflow's own threads take what comes.
MOST_WAITING = 1000
# Above the statement's own timeout: only a lost network takes as long.
SECONDS = 15
# To connect, which a database that is there does in a fraction of it.
CONNECT_SECONDS = 5
LOG = logging.getLogger("tracking_server")

Asked = tuple[Write, str, asyncio.Future[bool]]


class WritePool:
    """Writes while the context is open."""

    def __init__(self, open_connection: Callable[[], Awaitable[Any]]) -> None:
        """Nothing is connected yet.

        Args:
            open_connection: begins a psycopg2 connection in asynchronous mode.
        """
        self._open_connection = open_connection
        self._queue: asyncio.Queue[Asked] = asyncio.Queue(MOST_WAITING)
        self._workers: list[asyncio.Task[None]] = []
        self._generation = 0

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._work()) for _ in range(WRITES)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def write(self, write: Write, workspace: str) -> bool:
        """Tell whether it is committed; when it is not, MLflow can say why, and may write it again."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((write, workspace, done))
        except asyncio.QueueFull:
            return False
        return await done

    def renew(self) -> None:
        """Use no connection any more that is open now: the database behind it may be another."""
        self._generation += 1

    async def _work(self) -> None:
        connection = None
        generation = self._generation
        try:
            while True:
                group = await self._group()
                written: set[int] = set()
                if generation != self._generation:
                    generation, connection = self._generation, close(connection)
                try:
                    async with asyncio.timeout(SECONDS):
                        connection = connection or await self._connect()
                        written = await _execute(connection, group)
                except FAILURES as error:
                    LOG.warning("the fast path hands %d requests on: %s", len(group), words(error))
                    connection = close(connection)
                finally:
                    _tell(group, written)
        finally:
            close(connection)

    async def _group(self) -> list[Asked]:
        group = [await self._queue.get()]
        rows = group[0][0].rows
        while rows < ROWS_AT_ONCE and len(group) < ROWS_AT_ONCE and not self._queue.empty():
            group.append(self._queue.get_nowait())
            rows += group[-1][0].rows
        return group

    async def _connect(self) -> Any:
        connection = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._open_connection()
                await finish(connection)
            cursor = connection.cursor()  # the connection itself holds it only weakly
            for statement in (SETTINGS, PREPARE):
                cursor.execute(statement)
                await finish(connection)
        except BaseException:
            close(connection)
            raise
        return connection


async def _execute(connection: Any, group: list[Asked]) -> set[int]:
    given = arguments([(write, workspace) for write, workspace, _ in group])
    cursor = connection.cursor()
    try:
        cursor.execute(EXECUTE.format(NEW), given)
        await finish(connection)
    except UniqueViolation:
        cursor.execute(EXECUTE.format(REPEATED), given)
        await finish(connection)
    return {number for (number,) in cursor.fetchall()}


def _tell(group: list[Asked], written: set[int]) -> None:
    for number, (_, _, done) in enumerate(group, 1):
        if not done.done():
            done.set_result(number in written)
