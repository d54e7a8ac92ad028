"""A server that runs as ECS runs it, and how tests ask it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from typing import TYPE_CHECKING, Any

from rehearsal.processes import Process

if TYPE_CHECKING:
    from server.tests.conftest import World

SERVE = ("-m", "tracking_server")
START_SECONDS = 60
HOST = "mlflow.example.com"


class Server:
    """A started server and how to ask it."""

    def __init__(self, process: Process, port: str, token: str) -> None:
        self.process = process
        self.port = port
        self.token = token

    def ask(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> tuple[int, str]:
        """GET, or POST with a body; return status and text."""
        status, text, _ = self.answer(path, body, **headers)
        return status, text

    def answer(
        self, path: str, body: dict[str, Any] | None = None, **headers: str
    ) -> tuple[int, str, Message]:
        """Return the headers too."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Host": HOST,
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self.token}",
            }
            | headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers

    def reason_unhealthy(self) -> str | None:
        try:
            status, text = self.ask("/health")
        except OSError as error:
            return str(error)
        return None if status == 200 else f"{status} {text}"


@contextmanager
def started(
    world: "World",
    database: str,
    command: Sequence[str] = SERVE,
    **changes: str,
) -> Iterator[Server]:
    """Serve a copy of the prepared database."""
    environment = world.environment(world.create_database(database, template="mlflow"), **changes)
    with world.start(environment, *command) as process:
        server = Server(process, environment["MLFLOW_PORT"], world.token("vision-writer"))
        process.wait_ready(server.reason_unhealthy, seconds=START_SECONDS)
        yield server
