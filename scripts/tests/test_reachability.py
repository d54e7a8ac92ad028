import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import reachability
from reachability import UnreachableError, address_fault, wait_for_server

SHUTDOWN_POLL_SECONDS = 0.01


@pytest.fixture
def answers() -> list[tuple[int, bytes]]:
    """Return what the server says, in this order; its last word is repeated."""
    return [(200, b"OK")]


@pytest.fixture
def server(answers: list[tuple[int, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(SHUTDOWN_POLL_SECONDS,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def reason(uri: str) -> str:
    with pytest.raises(UnreachableError) as refusal:
        wait_for_server(uri, ca_bundle=None, seconds=0, tell=lambda _: None)
    return str(refusal.value)


@pytest.mark.parametrize("answers", [[(503, b"starting"), (503, b"starting"), (502, b""), (200, b"OK")]])
def test_waits_until_the_server_answers_and_tells_each_reason_once(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "POLL_SECONDS", 0.01)
    told: list[str] = []
    wait_for_server(server, ca_bundle=None, seconds=30, tell=told.append)
    assert told == ["/health answered 503: 'starting'", "/health answered 502: ''"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(200, b"another server")], "/health answered 200: 'another server'"),
        ([(301, b"")], "/health answered 301: ''"),
        ([(403, b"Invalid Host header")], "/health answered 403: 'Invalid Host header'"),
    ],
)
def test_what_is_no_tracking_server_is_not_taken_for_one(server: str, said: str) -> None:
    assert reason(server).endswith(said)


def test_closed_port_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "Connection refused" in reason(f"http://127.0.0.1:{free.getsockname()[1]}")


def test_unknown_name_is_told() -> None:
    assert "Failed to resolve 'mlflow.invalid'" in reason("http://mlflow.invalid")


@pytest.mark.parametrize("uri", ["https://mlflow.example.com", "http://127.0.0.1:5000/"])
def test_address_of_a_server_passes(uri: str) -> None:
    assert address_fault("MLFLOW_TRACKING_URI", uri) is None


@pytest.mark.parametrize("uri", ["", "mlflow.example.com", "file:///tmp", "https://", "https://host/path"])
def test_what_is_no_address_is_a_fault(uri: str) -> None:
    assert f"MLFLOW_TRACKING_URI is {uri!r}" in str(address_fault("MLFLOW_TRACKING_URI", uri))
