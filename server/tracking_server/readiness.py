"""Whether database and bucket can be used: asked for real, in bounded time, and no more often than helps."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from . import artifact_root
from .asgi import Send, answer
from .async_connection import FAILURES, close, finish
from .database import words
from .errors import ArtifactRootError
from .settings import Backend

# What is wrong, or None: a few words that a stranger may read, and the whole reason for the log.
Ask = Callable[[], Awaitable[tuple[str, str] | None]]
Check = Callable[[], Awaitable[str | None]]
Ready = Callable[[Send], Awaitable[None]]

KEPT_SECONDS = 5
SECONDS = 3
LATEST_SECONDS = 4  # when even the end of a question does not come
S3_SECONDS = 1.4  # to connect, and again to answer
SILENT = f"no answer in {SECONDS} s"
LOG = logging.getLogger("tracking_server")


class Once:
    """A check that asks one question at a time: who comes meanwhile shares its answer."""

    def __init__(self, what: str, ask: Ask) -> None:
        """Nothing is asked yet.

        Args:
            what: is asked about, for the log.
            ask: asks.
        """
        self._what = what
        self._ask = ask
        self._asking: asyncio.Task[str | None] | None = None
        self._said = ""

    async def __call__(self) -> str | None:
        """Return what is wrong in words for everybody, or None."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answer())
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=LATEST_SECONDS)
        return asking.result() if done else SILENT

    async def _answer(self) -> str | None:
        wrong = await self._ask()
        reason, whole = wrong or (None, "")
        if whole and whole != self._said:
            LOG.warning("%s: %s", self._what, whole)
        self._said = whole
        return reason


class Readiness:
    """Answers `/ready`, with what the checks found a few seconds ago at most."""

    def __init__(self, checks: Mapping[str, Check], clock: Callable[[], float] = time.monotonic) -> None:
        self._checks = checks
        self._clock = clock
        self._asked_at = float("-inf")
        self._wrong: dict[str, str] = {}

    async def __call__(self, send: Send) -> None:
        """Send 200, or 503 with the reasons."""
        if self._clock() - self._asked_at >= KEPT_SECONDS:
            found = await asyncio.gather(*(check() for check in self._checks.values()))
            self._wrong = {what: wrong for what, wrong in zip(self._checks, found, strict=True) if wrong}
            self._asked_at = self._clock()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if self._wrong:
            headers.append((b"retry-after", str(KEPT_SECONDS).encode()))
        body = json.dumps({"ready": not self._wrong, **self._wrong}).encode()
        await answer(send, 503 if self._wrong else 200, body, *headers)


def database_check(open_connection: Callable[[], Awaitable[Any]]) -> Once:
    """Return what logs in anew, as the next request would, and asks whether writes are taken.

    Args:
        open_connection: begins a psycopg2 connection in asynchronous mode.
    """

    async def ask() -> tuple[str, str] | None:
        connection = None
        try:
            async with asyncio.timeout(SECONDS):
                connection = await open_connection()
                await finish(connection)
                cursor = connection.cursor()
                cursor.execute("SHOW transaction_read_only")
                await finish(connection)
                wrong = "it takes no writes" if cursor.fetchone() == ("on",) else ""
                return (wrong, wrong) if wrong else None
        except TimeoutError:
            return SILENT, SILENT
        except FAILURES as error:
            return "it cannot be logged in to", words(error)
        finally:
            close(connection)

    return Once("the database", ask)


def bucket_check(backend: Backend) -> Once:
    """Return what lists a key of the artifact root, as the server does when it shows artifacts."""

    async def ask() -> tuple[str, str] | None:
        try:
            await asyncio.to_thread(artifact_root.check, backend, S3_SECONDS, 1)
        except ArtifactRootError as error:
            return "it cannot be listed", words(error)
        return None

    return Once("the artifact root", ask)
