"""How any app is served, asked from inside of one that is."""

import asyncio
import logging
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio.to_thread
import pytest

from rehearsal.processes import free_port, wait_until
from server.tracking_server.connections import THREADS
from server.tracking_server.serving import is_news, serve

START_SECONDS = 10


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What an app sees of the server and of one request with forged headers, after which the server ends."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.update(
            loop=type(asyncio.get_running_loop()).__module__,
            protocol=type(send.__self__).__module__,
            threads=anyio.to_thread.current_default_thread_limiter().total_tokens,
            client=scope["client"][0],
            scheme=scope["scheme"],
        )
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        signal.raise_signal(signal.SIGTERM)

    port = free_port()
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(wait_until, lambda: ask(port), what="the server", seconds=START_SECONDS)
            serve(app, "127.0.0.1", port)
            asked.result()
    finally:
        signal.signal(signal.SIGTERM, before)
    return seen


def ask(port: int) -> str | None:
    """Return the reason why there is no answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    )
    try:
        with urllib.request.urlopen(request, timeout=START_SECONDS):
            return None
    except OSError as error:
        return str(error)


def test_uvloop_and_httptools_serve_because_asyncio_and_h11_stall_on_nagle(seen: dict[str, Any]) -> None:
    assert seen["loop"].partition(".")[0] == "uvloop"
    assert seen["protocol"] == "uvicorn.protocols.http.httptools_impl"


def test_requests_find_as_many_threads_as_there_are_connections_for(seen: dict[str, Any]) -> None:
    assert seen["threads"] == THREADS


def test_what_a_client_writes_of_itself_is_not_believed(seen: dict[str, Any]) -> None:
    assert (seen["client"], seen["scheme"]) == ("127.0.0.1", "http")


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 500), ("/health?", 200), ("/healthy", 200), ("/", 200), ("/ready", 503)]
)
def test_the_access_log_leaves_out_passed_health_checks_and_nothing_else(path: str, status: int) -> None:
    assert is_news(line("GET", path, status))
    assert not is_news(line("GET", "/health", 200))
    assert not is_news(line("GET", "/ready", 200))


def line(method: str, path: str, status: int) -> logging.LogRecord:
    arguments = ("127.0.0.1:1", method, path, "1.1", status)
    return logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "", arguments, None)
