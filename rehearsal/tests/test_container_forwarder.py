"""What the forwarder passes on arrives, all of it and in order, however a connection is used."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehearsal.containers import forwarder
from rehearsal.processes import Process, free_port, listening_socket

pytestmark = pytest.mark.rehearsal

SECONDS = 20.0
MEBIBYTE = 1024 * 1024
MUCH = 64 * MEBIBYTE
# More at once than the task's database connections and requests together.
MANY = 200


def answering(answer: Callable[[socket.socket], None]) -> int:
    """Serve each connection in a thread; return the port."""
    listener = listening_socket()

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def everything(connection: socket.socket) -> bytes:
    connection.settimeout(SECONDS)
    return b"".join(iter(lambda: connection.recv(MEBIBYTE), b""))


def echo_at_the_end(connection: socket.socket) -> None:
    """Answer only when the other side has sent its last byte, and then say so too."""
    with connection:
        connection.sendall(everything(connection))


@pytest.fixture
def through(tmp_path: Path) -> Iterator[Callable[[int], int]]:
    """Return the port behind two forwarders, a Unix socket between them, as a task has them."""
    running: list[Process] = []

    def forward(port: int) -> int:
        start, way = free_port(), tmp_path / f"{port}"
        for routes in ([f"{way}={port}"], [f"{start}={way}"]):
            process = Process(
                "forwarder",
                [sys.executable, forwarder.__file__, *routes],
                environment={},
                log=tmp_path / f"{len(running)}.log",
            )
            running.append(process)
            process.__enter__().wait_ready(
                lambda process=process: None if forwarder.READY in process.end_of_log() else "starts",
                seconds=SECONDS,
            )
        return start

    yield forward
    for process in running:
        process.stop()
        assert process.exit_code() == 0, process.end_of_log()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=SECONDS)


def test_end_of_one_direction_leaves_the_other_open(through: Callable[[int], int]) -> None:
    with connect(through(answering(echo_at_the_end))) as connection:
        connection.sendall(b"asked")
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection) == b"asked"


def test_much_arrives_whole(through: Callable[[int], int]) -> None:
    sent = bytes(range(256)) * (MUCH // 256)

    def send(connection: socket.socket) -> None:
        with connection:
            connection.sendall(sent)

    with connect(through(answering(send))) as connection:
        assert everything(connection) == sent


def test_many_connections_at_once_keep_their_bytes_apart(through: Callable[[int], int]) -> None:
    port = through(answering(echo_at_the_end))
    all_open = threading.Barrier(MANY)

    def ask(number: int) -> bytes:
        with connect(port) as connection:
            all_open.wait(SECONDS)
            connection.sendall(b"%d" % number)
            connection.shutdown(socket.SHUT_WR)
            return everything(connection)

    with ThreadPoolExecutor(MANY) as pool:
        assert list(pool.map(ask, range(MANY))) == [b"%d" % number for number in range(MANY)]


def test_connection_to_nobody_ends_at_once(through: Callable[[int], int]) -> None:
    with connect(through(free_port())) as connection, contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""


def test_connection_that_one_side_breaks_off_ends_for_the_other(through: Callable[[int], int]) -> None:
    ended = threading.Event()

    def wait_for_the_end(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(SECONDS)
            with contextlib.suppress(ConnectionError):
                everything(connection)
            ended.set()

    connect(through(answering(wait_for_the_end))).close()
    assert ended.wait(SECONDS)


def test_localhost_is_found_whichever_address_it_has(through: Callable[[int], int]) -> None:
    with connect(through(answering(echo_at_the_end)), "localhost") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection) == b""
