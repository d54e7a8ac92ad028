"""Stands before a real tracking server and does to requests what networks do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from client.tests.servers import Answer, Asked, Server, server

SECONDS = 60.0
HANG_SECONDS = 2.0
# Of one hop, or of the body as requests has it.
DROPPED = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "content-encoding"}

Fault = Callable[[Asked, Callable[[], Answer]], Answer | None]


@dataclass
class Gate:
    """Forwards, unless a fault is set.

    Attributes:
        fault: gets what was asked and what forwards it.
        front: where clients come.
    """

    behind: str
    front: Server = field(init=False)
    fault: Fault | None = None

    def answer(self, asked: Asked) -> Answer | None:
        fault = self.fault
        return fault(asked, lambda: self.forward(asked)) if fault else self.forward(asked)

    def forward(self, asked: Asked) -> Answer:
        kept = {name: value for name, value in asked.headers.items() if name.lower() not in DROPPED}
        said = requests.request(
            asked.method, f"{self.behind}{asked.path}", headers=kept, data=asked.body, timeout=SECONDS
        )
        headers = {name: value for name, value in said.headers.items() if name.lower() not in DROPPED}
        return Answer(said.status_code, headers, said.content)

    def paths(self) -> list[str]:
        return [asked.path.rpartition("/mlflow/")[2] for asked in self.front.asked]

    # The faults.
    def cut(self, _asked: Asked, _forward: Callable[[], Answer]) -> None:
        """End the connection."""

    def unavailable(self, _asked: Asked, _forward: Callable[[], Answer]) -> Answer:
        return Answer(503, {"Retry-After": "0"}, b"<html>no healthy target</html>")

    def hang(self, _asked: Asked, _forward: Callable[[], Answer]) -> None:
        time.sleep(HANG_SECONDS)

    def answers(self, status: int, error_code: str) -> None:
        body = f'{{"error_code": "{error_code}", "message": "said by the gate"}}'.encode()
        self.fault = lambda _asked, _forward: Answer(status, {}, body)

    def lose_answers(self, *paths: str, times: int = 1) -> None:
        """Let the next requests through, and drop what the server says to them."""
        left = dict.fromkeys(paths, times)

        def fault(asked: Asked, forward: Callable[[], Answer]) -> Answer | None:
            said = forward()
            path = next((each for each in left if asked.path.partition("?")[0].endswith(each)), None)
            if path is not None and left[path]:
                left[path] -= 1
                return None
            return said

        self.fault = fault


@contextmanager
def gate(behind: str) -> Iterator[Gate]:
    """Serve while the context is open."""
    opened = Gate(behind)
    with server(opened.answer) as opened.front:
        yield opened
