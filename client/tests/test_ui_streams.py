"""Artifacts of any size pass through the proxy piece by piece."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import psutil
import pytest
import requests

from client.tests.test_ui import Ui, ui

pytestmark = pytest.mark.usefixtures("role")
MIB = 1024 * 1024
LARGE = 192 * MIB
MOST_MEMORY = 48 * MIB
PIECE = b"x" * MIB
SECONDS = 20.0


@contextmanager
def raw_server(serve: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Hand each connection to `serve` as a bare socket, after its headers were read."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(SECONDS)
                said = b""
                while b"\r\n\r\n" not in said:
                    said += connection.recv(65536)
                serve(connection, said)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()


class Peak:
    """Watches how much memory this process, the proxy's, takes more than before."""

    def __enter__(self) -> Self:
        self._before = psutil.Process().memory_info().rss
        self._highest, self._ended = self._before, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            self._highest = max(self._highest, psutil.Process().memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.grown = self._highest - self._before


def send_back(connection: socket.socket, _: bytes) -> None:
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n".encode())
    for _piece in range(LARGE // MIB):
        connection.sendall(PIECE)


def test_large_download_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(send_back) as uri, ui(uri, monkeypatch) as shown, Peak() as memory:
        answer = shown.ask("get-artifact", stream=True)
        assert sum(len(piece) for piece in answer.iter_content(MIB)) == LARGE
    assert memory.grown < MOST_MEMORY


def test_browser_that_does_not_read_holds_the_server_back(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, stuck = [0], threading.Event()

    def send_until_stuck(connection: socket.socket, _: bytes) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n".encode())
        connection.settimeout(2)
        try:
            while sent[0] < LARGE:
                sent[0] += connection.send(PIECE)
        except TimeoutError:
            stuck.set()

    with raw_server(send_until_stuck) as uri, ui(uri, monkeypatch) as shown:
        answer = shown.ask("get-artifact", stream=True)
        assert stuck.wait(SECONDS), "all of it went somewhere"
        answer.close()
    assert sent[0] < MOST_MEMORY


@pytest.mark.parametrize("length_known", [True, False])
def test_large_upload_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch, *, length_known: bool) -> None:
    received, head = [0], [b""]

    def take(connection: socket.socket, said: bytes) -> None:
        head[0], _, rest = said.partition(b"\r\n\r\n")
        received[0] = rest.count(b"x")
        while received[0] < LARGE:
            received[0] += connection.recv(MIB).count(b"x")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def pieces() -> Iterator[bytes]:
        for _ in range(LARGE // MIB):
            yield PIECE

    class Body:
        """A body whose length requests can tell."""

        def __len__(self) -> int:
            return LARGE

        def __iter__(self) -> Iterator[bytes]:
            return pieces()

    with raw_server(take) as uri, ui(uri, monkeypatch) as shown, Peak() as memory:
        answer = shown.ask("upload", method="PUT", data=Body() if length_known else pieces())
        assert answer.text == "ok"
    assert received[0] == LARGE
    expected = f"Content-Length: {LARGE}".encode() if length_known else b"Transfer-Encoding: chunked"
    assert expected in head[0]
    assert memory.grown < MOST_MEMORY


def test_first_byte_arrives_before_the_last_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    read = threading.Event()

    def trickle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert read.wait(SECONDS)
        connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")

    with raw_server(trickle) as uri, ui(uri, monkeypatch) as shown:
        answer = shown.ask(stream=True)
        pieces = answer.iter_content(None)
        assert next(pieces) == b"first"
        read.set()
        assert b"".join(pieces) == b"last"


@pytest.mark.parametrize(
    "head", ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
def test_half_an_answer_does_not_look_like_a_whole_one(monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    def half(connection: socket.socket, _: bytes) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}".encode())

    with raw_server(half) as uri, ui(uri, monkeypatch) as shown, pytest.raises(requests.RequestException):
        shown.ask()


def test_browser_that_leaves_ends_the_request_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed = threading.Event()

    def endless(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        deadline = time.monotonic() + SECONDS
        try:
            while time.monotonic() < deadline:
                connection.sendall(b"100000\r\n" + PIECE + b"\r\n")
        except OSError:
            noticed.set()

    with raw_server(endless) as uri, ui(uri, monkeypatch) as shown:
        answer = shown.ask(stream=True)
        assert next(answer.iter_content(MIB))
        answer.close()
        assert noticed.wait(SECONDS)


def test_open_connection_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = threading.Event(), threading.Event()

    def silent(connection: socket.socket, _: bytes) -> None:
        begun.set()
        over.wait(SECONDS)

    def look(shown: Ui) -> None:
        with pytest.raises(requests.RequestException):
            shown.ask()

    with raw_server(silent) as uri:
        with ui(uri, monkeypatch) as shown:  # its end fails when the proxy takes too long
            reader = threading.Thread(target=look, args=(shown,))
            reader.start()
            assert begun.wait(SECONDS)
            started = time.monotonic()
        assert time.monotonic() - started < 5
        over.set()
        reader.join(timeout=SECONDS)
