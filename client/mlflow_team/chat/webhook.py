"""Brings a message to an address: bounded in time, again when the service asks for that."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from . import plain_json, slack, teams
from .address import Address, Service
from .message import Message

ATTEMPTS = 4
TIMEOUT_SECONDS = (5, 10)  # to connect, to answer
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
AGAIN = (408, 425, 429, 500, 502, 503, 504)
BODIES = {Service.SLACK: slack.body, Service.TEAMS: teams.body, Service.JSON: plain_json.body}
NO_APPRISE = "the service apprise needs a package: pip install './client[chat]'"


# They write whole addresses into the log of whoever asks for DEBUG.
TALKATIVE = ("urllib3.connectionpool", "apprise")


class ChatError(Exception):
    """The message did not arrive; says why without the address."""


def send(address: Address, message: Message, pause: Callable[[float], object] = time.sleep) -> None:
    """Send it.

    Raises:
        ChatError: it did not arrive.
    """
    with _unlogged():
        if address.service is Service.APPRISE:
            _by_apprise(address.url, message)
        else:
            _post(address, BODIES[address.service](message), pause)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the address out of other libraries' log lines; apprise works in threads of its own."""

    def matters(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    loggers = [logging.getLogger(name) for name in TALKATIVE]
    for logger in loggers:
        logger.addFilter(matters)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(matters)


def _post(address: Address, body: dict[str, Any], pause: Callable[[float], object]) -> None:
    why, wait = "", FIRST_PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        seconds = wait
        try:
            # No redirect is followed: it would carry the message to an address that nobody wrote down.
            answer = requests.post(address.url, json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            why = type(error).__name__  # its text holds the address
        else:
            if answer.status_code < 300:  # noqa: PLR2004 - HTTP's line
                return
            why = f"status {answer.status_code}"
            if answer.status_code not in AGAIN:
                break
            asked = retry_after(answer.headers.get("Retry-After", ""))
            if asked is not None and asked > LONGEST_PAUSE_SECONDS:
                why += f", to be tried again after {asked:.0f} s, which is too long"
                break
            seconds = asked if asked is not None else wait
        if attempt < ATTEMPTS:
            pause(seconds)
            wait = min(wait * 2, LONGEST_PAUSE_SECONDS)
    # `from None`: the cause's text holds the address.
    raise ChatError(f"{address.service} did not take the message: {why}") from None


def retry_after(text: str) -> float | None:
    """Read the header: seconds, or a date (RFC 9110, section 10.2.3)."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _by_apprise(url: str, message: Message) -> None:
    try:
        import apprise  # noqa: PLC0415 - the extra `chat`
    except ImportError:
        raise ChatError(NO_APPRISE) from None
    chat = apprise.Apprise()
    if not chat.add(url):
        raise ChatError("apprise does not know the address's service")
    if not chat.notify(title=message.title, body=message.text, body_format=apprise.NotifyFormat.TEXT):
        raise ChatError("apprise did not bring the message")
