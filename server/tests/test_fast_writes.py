"""What a fast route answers itself, and that MLflow gets all else as it came."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.tests import mlflow_server

mlflow_server.load()

from server.tracking_server import asgi, fast_writes, plain_headers  # noqa: E402 - MLflow reads its environment
from server.tracking_server.write_pool import WritePool  # noqa: E402

ROUTE = "POST /mlflow/runs/set-tag"
BODY = json.dumps({"run_id": "0" * 32, "key": "k", "value": "v"}).encode()
HEADERS = [
    (b"host", b"localhost"),
    (b"content-type", b"application/json"),
    (b"x-mlflow-workspace", b"vision"),
]
Message = dict[str, Any]


class Pool:
    def __init__(self, *, writes: bool) -> None:
        self.writes = writes
        self.asked: list[tuple[Any, str]] = []

    async def write(self, write: Any, workspace: str) -> bool:
        self.asked.append((write, workspace))
        return self.writes


def ask(
    pool: Pool, messages: list[Message], headers: list[tuple[bytes, bytes]] = HEADERS
) -> tuple[list[Message], list[Message]]:
    """Return what MLflow received and what was sent."""
    received: list[Message] = []
    sent: list[Message] = []
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    async def send(message: Message) -> None:
        sent.append(message)

    async def mlflow_app(_scope: Any, receive: Callable[[], Awaitable[Message]], _send: Any) -> None:
        received.extend([await receive() for _ in messages])

    app = fast_writes.fast_writes(pool, mlflow_app)[ROUTE]  # type: ignore[arg-type]
    asyncio.run(app({"headers": headers}, receive, send))
    return received, sent


def body(*parts: bytes) -> list[Message]:
    last = len(parts) - 1
    return [
        {"type": "http.request", "body": part, "more_body": number < last}
        for number, part in enumerate(parts)
    ]


def test_a_committed_write_is_answered_and_mlflow_hears_nothing_of_it() -> None:
    pool = Pool(writes=True)
    received, sent = ask(pool, body(BODY[:9], BODY[9:]))
    assert not received
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"{}")
    ((write, workspace),) = pool.asked
    assert (write.tags, workspace) == ([("k", "v")], "vision")


@pytest.mark.parametrize(
    "messages",
    [
        body(BODY[:9], BODY[9:]),
        body(b"{}"),
        body(b"x" * (asgi.LARGEST // 2), b"x" * asgi.LARGEST, b"x"),
        [*body(BODY, b"")[:1], {"type": "http.disconnect"}],
    ],
)
def test_what_is_not_written_reaches_mlflow_as_it_came(messages: list[Message]) -> None:
    received, sent = ask(Pool(writes=False), messages)
    assert received == messages
    assert not sent


@pytest.mark.parametrize(
    "headers",
    [
        [*HEADERS, (b"origin", b"https://mlflow.example.com")],
        [*HEADERS, (b"content-encoding", b"gzip")],
        [*HEADERS, (b"x-mlflow-workspace", b"speech")],
        [*HEADERS[1:], (b"host", b"\xff")],
        HEADERS[1:],
        [HEADERS[0], HEADERS[2], (b"content-type", b"text/plain")],
        HEADERS[:2],
    ],
)
def test_headers_that_mlflow_judges_are_left_to_it(headers: list[tuple[bytes, bytes]]) -> None:
    pool = Pool(writes=True)
    received, sent = ask(pool, body(BODY), headers)
    assert received == body(BODY)
    assert not sent
    assert not pool.asked


def test_a_host_that_mlflow_would_refuse_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example.com")
    plain_headers._is_allowed.cache_clear()
    received, _ = ask(Pool(writes=True), body(BODY))
    plain_headers._is_allowed.cache_clear()
    assert received


def test_writes_are_handed_on_while_the_database_is_not_there() -> None:
    async def refused() -> Any:
        raise OSError("no route to it")

    async def write() -> bool:
        async with WritePool(refused) as pool:
            from server.tracking_server.plain_writes import Write  # noqa: PLC0415

            return await pool.write(Write(run="0" * 32), "vision")

    assert asyncio.run(write()) is False
