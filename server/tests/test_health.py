import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from rehearsal.processes import free_port
from server.tracking_server.health import reason_unhealthy


@contextmanager
def answering(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


def test_a_server_that_answers_is_healthy() -> None:
    with answering(200) as port:
        assert reason_unhealthy(port) is None


def test_a_server_that_fails_is_not() -> None:
    with answering(500) as port:
        assert "500" in (reason_unhealthy(port) or "")


def test_no_server_is_not() -> None:
    assert "refused" in (reason_unhealthy(str(free_port())) or "")


def test_no_port_is_a_reason_not_a_traceback() -> None:
    assert reason_unhealthy("")
