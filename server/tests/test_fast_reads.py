"""What a fast read answers itself, and that MLflow gets all else as it came."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.tests import mlflow_server

mlflow_server.load()

from mlflow.exceptions import MlflowException  # noqa: E402 - MLflow reads its environment
from sqlalchemy.exc import OperationalError  # noqa: E402

from server.tracking_server import asgi  # noqa: E402
from server.tracking_server.fast_reads import READS, FastRead, fast_reads  # noqa: E402
from server.tracking_server.routes import Kind, known  # noqa: E402

HEADERS = [
    (b"host", b"localhost"),
    (b"content-type", b"application/json"),
    (b"x-mlflow-workspace", b"vision"),
]
BODY = [
    {"type": "http.request", "body": b'{"a":', "more_body": True},
    {"type": "http.request", "body": b"1}"},
]
EMPTY = [{"type": "http.request", "body": b""}]
QUERY = b"run_id=1"
Message = dict[str, Any]


class Reader:
    """What a route reads: gives or raises what it was told."""

    def __init__(self, found: bytes | Exception | None) -> None:
        self.found = found
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, *asked: Any) -> bytes | None:
        self.asked.append(asked)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def ask(
    read: Reader, messages: list[Message], route: str = "POST", method: str | None = None, **changes: Any
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

    app = FastRead(method=route, read=read, store="store", mlflow_app=mlflow_app)
    scope = {"method": method or route, "headers": HEADERS, "query_string": QUERY} | changes
    asyncio.run(app(scope, receive, send))
    return received, sent


def test_what_is_found_is_answered_and_mlflow_hears_nothing_of_it() -> None:
    read = Reader(b'{"metrics": []}')
    received, (start, body) = ask(read, BODY)
    assert not received
    assert (start["status"], body["body"]) == (200, b'{"metrics": []}')
    assert (b"content-length", b"15") in start["headers"]
    assert read.asked == [("store", "vision", QUERY, b'{"a":1}')]


def test_the_body_of_a_get_is_not_read() -> None:
    read = Reader(b"{}")
    received, sent = ask(read, [], route="GET")
    assert not received
    assert sent[0]["status"] == 200
    assert read.asked == [("store", "vision", QUERY, b"")]


@pytest.mark.parametrize(
    "found", [None, MlflowException("x"), OperationalError("SELECT 1", {}, OSError("no route to it"))]
)
def test_what_is_not_found_reaches_mlflow_as_it_came(found: Exception | None) -> None:
    received, sent = ask(Reader(found), BODY)
    assert received == BODY
    assert not sent


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        ask(Reader(ZeroDivisionError()), BODY)


def test_head_is_mlflows() -> None:
    read = Reader(b"{}")
    received, sent = ask(read, EMPTY, route="GET", method="HEAD")
    assert received == EMPTY
    assert not sent
    assert not read.asked


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.request", "body": b"x" * asgi.LARGEST, "more_body": True}, *BODY],
        [BODY[0], {"type": "http.disconnect"}],
    ],
)
def test_a_body_that_is_too_large_or_breaks_off_is_mlflows(messages: list[Message]) -> None:
    read = Reader(b"{}")
    received, sent = ask(read, messages)
    assert received == messages
    assert not sent
    assert not read.asked


@pytest.mark.parametrize(
    ("route", "headers"),
    [
        ("POST", [*HEADERS, (b"origin", b"https://mlflow.example.com")]),
        ("GET", [*HEADERS, (b"origin", b"https://mlflow.example.com")]),
        ("POST", [HEADERS[0], HEADERS[2]]),
        ("GET", HEADERS[:2]),
    ],
)
def test_headers_that_mlflow_judges_are_left_to_it(route: str, headers: list[tuple[bytes, bytes]]) -> None:
    read = Reader(b"{}")
    received, sent = ask(read, EMPTY, route=route, headers=headers)
    assert received == EMPTY
    assert not sent
    assert not read.asked


def test_each_route_is_one_that_a_reader_may_call() -> None:
    apps = fast_reads("store", None)  # type: ignore[arg-type]
    assert apps.keys() == READS.keys()
    for name, app in apps.items():
        assert known(name).kind is Kind.READ
        assert isinstance(app, FastRead)
        assert name.startswith(f"{app.method} /mlflow/")
