"""ASGI as all speak it that stands before MLflow: its types, and a body read ahead and given again."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Twice what MLflow's client sends at most.
LARGEST = 2_000_000


async def receive_all(receive: Receive, messages: list[Message]) -> bool:
    """Tell whether all of the body came; what came is appended."""
    size = 0
    while size <= LARGEST:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request":
            return False
        if not message.get("more_body"):
            return True
    return False


def again(messages: list[Message], receive: Receive) -> Receive:
    """Give the messages once more, and then what else comes."""
    left = iter(messages)

    async def again() -> Message:
        return next(left, None) or await receive()

    return again


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a whole answer; without headers it is plain text."""
    plain = () if headers else ((b"content-type", b"text/plain; charset=utf-8"),)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*plain, *headers, length]})
    await send({"type": "http.response.body", "body": body})
