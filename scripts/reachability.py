"""Waits for the tracking server and says in plain words why it does not answer."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

POLL_SECONDS = 0.5
REQUEST_SECONDS = 5.0
REASON_LENGTH = 300


class UnreachableError(RuntimeError):
    """The tracking server did not answer in time; the message carries the last reason."""


def address_fault(name: str, uri: str) -> str | None:
    """Say what is wrong with a tracking server's address, called `name` by whoever gave it."""
    parts = urlsplit(uri.rstrip("/"))
    if parts.scheme in {"http", "https"} and parts.hostname and not (parts.path or parts.query):
        return None
    return f"{name} is {uri!r}: must be http(s)://<host>[:<port>], as in https://mlflow.example.com"


def wait_for_server(
    tracking_uri: str,
    *,
    ca_bundle: str | None,
    seconds: float,
    tell: Callable[[str], None],
) -> None:
    """Poll the server's `/health` until it answers "OK".

    Args:
        tracking_uri: the server's address without a path, `https://mlflow.example.com`.
        ca_bundle: PEM file to verify the server with; None for what requests trusts.
        seconds: how long to wait before giving up.
        tell: called with each new reason, so that nobody waits in silence.

    Raises:
        UnreachableError: it did not answer in time, or its certificate is not trusted.
    """
    deadline = time.monotonic() + seconds
    told = ""
    while (reason := _reason_not_ready(tracking_uri, ca_bundle)) is not None:
        if time.monotonic() > deadline:
            raise UnreachableError(f"{tracking_uri} did not answer within {seconds:.0f} s: {reason}")
        if reason != told:
            tell(reason)
            told = reason
        time.sleep(POLL_SECONDS)


def _reason_not_ready(tracking_uri: str, ca_bundle: str | None) -> str | None:
    try:
        answer = requests.get(
            f"{tracking_uri}/health", timeout=REQUEST_SECONDS, verify=ca_bundle or True, allow_redirects=False
        )
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # waiting would not mend it
            raise UnreachableError(
                f"{tracking_uri} shows a certificate that this machine does not trust: {_cause(error)}"
            ) from None
        return f"TLS failed: {_cause(error)}"
    except requests.exceptions.Timeout:
        return (
            f"no answer within {REQUEST_SECONDS:.0f} s (a private front door answers only inside its network)"
        )
    except requests.exceptions.RequestException as error:
        return _cause(error)
    if answer.ok and answer.text.strip() == "OK":
        return None
    return f"/health answered {answer.status_code}: {answer.text.strip()[:REASON_LENGTH]!r}"


def _cause(error: BaseException) -> str:
    """Return the innermost reason: requests and urllib3 wrap it several times."""
    while isinstance(inner := getattr(error, "reason", None) or next(iter(error.args), None), BaseException):
        error = inner
    return str(error)[:REASON_LENGTH]
