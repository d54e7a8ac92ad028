"""Loopback servers that answer as a test tells them, and remember what they were asked."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Message
    body: bytes = b""


@dataclass
class Answer:
    """What the server says to it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass
class Server:
    """A running server.

    Attributes:
        asked: in the order of arrival.
    """

    port: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def server(answer: Callable[[Asked], Answer | None], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve while the context is open; None ends the connection without an answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # http.server shortens the path that it read.
            asked = Asked(self.command, self.requestline.split()[1], self.headers, body)
            running.asked.append(asked)
            said = answer(asked)
            if said is None:
                self.close_connection = True
                return
            self.send_response_only(said.status)
            for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        if tls:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        running = Server(http.server_address[1])
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            http.shutdown()
            thread.join()
