"""Raw HTTP through the load balancer: what is written is what is sent, and connections are kept."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

SECONDS = 60.0

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """One request as it goes over the wire; `target` is path and query, untouched."""

    method: str
    target: str
    body: bytes | None = None
    headers: Headers = ()

    def having(self, *more: tuple[str, str]) -> "Request":
        return Request(self.method, self.target, self.body, (*self.headers, *more))


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        """The code of MLflow's JSON error, empty when the answer is none."""
        try:
            said = self.json
        except ValueError:
            return ""
        known = isinstance(said, dict) and set(said) == {"error_code", "message"}
        return str(said["error_code"]) if known else ""


class Front:
    """The load balancer's TLS listener."""

    def __init__(self, port: int, authorities: Path | None, *, host: str = "localhost") -> None:
        """Without authorities it is no TLS listener but a bare server."""
        self._host, self._port = host, port
        self._context = authorities and ssl.create_default_context(cafile=str(authorities))
        self._kept = threading.local()

    def send(self, request: Request) -> Answer:
        """Send it; once more on a new connection when the kept one had just been closed."""
        with contextlib.suppress(HTTPException, ConnectionError):
            return self._send(request)
        self._kept.connection = None
        return self._send(request)

    def _connection(self) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(self._host, self._port, timeout=SECONDS)
        return HTTPSConnection(self._host, self._port, timeout=SECONDS, context=self._context)

    def _send(self, request: Request) -> Answer:
        connection = getattr(self._kept, "connection", None)
        if connection is None:
            connection = self._connection()
            self._kept.connection = connection
        connection.putrequest(request.method, request.target, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value)
        if request.body is not None:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        body = answer.read()
        return Answer(answer.status, body, {k.lower(): v for k, v in answer.getheaders()})


class Api:
    """A caller for whom everything must succeed: seeds, and makes what a write needs."""

    def __init__(self, front: Front, headers: Iterable[tuple[str, str]]) -> None:
        self._front = front
        self._headers = tuple(headers)

    def __call__(self, method: str, path: str, body: Any = None, *headers: tuple[str, str]) -> Any:
        """Send JSON (or bytes) to a path below `/api/`; return the answer's JSON, or None when it has none."""
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = () if headers or raw is None else (("Content-Type", "application/json"),)
        target = path if path.startswith("/") else f"/api/{path}"
        answer = self._front.send(Request(method, target, raw, (*self._headers, *kind, *headers)))
        assert answer.status == 200, (method, target, answer.status, answer.text)
        return answer.json if answer.headers.get("content-type", "").startswith("application/json") else None
