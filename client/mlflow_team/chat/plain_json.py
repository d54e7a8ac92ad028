"""A message for a program of one's own."""

from dataclasses import asdict
from typing import Any

from .message import Message


def body(message: Message) -> dict[str, Any]:
    """Write the message."""
    return asdict(message) | {"text": message.text}
