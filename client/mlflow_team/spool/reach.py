"""Whether the tracking server answers, and how long a caller may wait to find out."""

import contextlib
import email.utils
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from mlflow.exceptions import MlflowException, RestException
from urllib3.exceptions import HTTPError

from mlflow_team.background import poll

# A server that has not answered for this long is away: a slow request has its time, no script seems to hang.
AWAY_SECONDS = 10.0
# What a script waits per call once the server is away.
LOOP_SECONDS = 0.05
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 15.0
# Of one request; doubled each time it was too short.
REQUEST_SECONDS, LONGEST_REQUEST_SECONDS = 10.0, 120.0
# Answers that another time will not have: logins, limits, what stands before the server, its database.
PASSING = frozenset({401, 403, 407, 408, 425, 429})
FORBIDDEN, SERVER_ERROR = 403, 500
REASON_CHARACTERS = 300
# MLflow's name for whatever SQLAlchemy raised but a lost connection: a full pool of connections among it.
DATABASE_ERROR = "BAD_REQUEST"


class AwayError(RuntimeError):
    """The server does not answer, or not this time."""

    def __init__(
        self, reason: str, *, pause: float = 0.0, timeout: bool = False, suspect: bool = False
    ) -> None:
        """Say why.

        Args:
            reason: for people.
            pause: seconds for which the server wants to be left alone.
            timeout: it did not answer in time.
            suspect: MLflow itself failed over it: what was asked may be at fault.

        Attributes:
            denied: what a script is told that waits for the answer: its role has no right to it. What was
                logged is kept all the same, for a role may get its rights back.
        """
        super().__init__(reason)
        self.pause = pause
        self.timeout = timeout
        self.suspect = suspect
        self.denied: MlflowException | None = None


class RefusedError(RuntimeError):
    """The server will never take this."""

    def __init__(self, error: MlflowException) -> None:
        super().__init__(error.message)
        self.error = error

    @property
    def code(self) -> str:
        """Return MLflow's name for the error."""
        return str(self.error.error_code)


class Reach:
    """Since when the server has not answered; shared by the script's thread and the sender's."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a Condition would not outlive a Ctrl-C
        self.reason = ""
        self._since: float | None = None
        self._failures = 0
        self._timeouts = 0
        self.clock_ahead = 0.0

    @property
    def away(self) -> bool:
        """Tell whether the server is known to be away."""
        since = self._since
        return since is not None and time.monotonic() - since > AWAY_SECONDS

    def wait(self, seconds: float) -> bool:
        """Wait for a server that is away; tell whether it is back."""
        return poll(lambda: not self.away, seconds)

    @property
    def failing(self) -> bool:
        """Tell whether the last request failed."""
        return self._failures > 0

    @property
    def seconds(self) -> float:
        """Return how long a request may take."""
        return min(LONGEST_REQUEST_SECONDS, REQUEST_SECONDS * 2**self._timeouts)

    def asked(self) -> None:
        """Begin to wait for an answer: no answer is as good as a bad one."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()

    def answered(self, headers: Mapping[str, str]) -> None:
        """Forget the failures."""
        with self._lock:
            self._since, self._failures, self._timeouts = None, 0, 0
        with contextlib.suppress(ValueError, TypeError):
            told = email.utils.parsedate_to_datetime(headers.get("Date", "")).timestamp()
            self.clock_ahead = told - time.time()

    def failed(self, error: AwayError) -> float:
        """Count a failure; return how long to leave the server alone."""
        with self._lock:
            self.reason = str(error)
            self._failures += 1
            self._timeouts += error.timeout
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 16))
            return max(pause, min(error.pause, LONGEST_PAUSE_SECONDS))


def judge(status: int, headers: Mapping[str, str], text: str) -> None:
    """Return when an answer is what was asked for.

    Raises:
        AwayError: another time it may be.
        RefusedError: it never will.
    """
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's success
        return
    try:
        told: Any = json.loads(text)
        code = str(told["error_code"])
    except (ValueError, TypeError, KeyError):
        # Not MLflow's: something on the way answered in its place.
        raise AwayError(f"HTTP {status}", pause=_pause(headers)) from None
    if status in PASSING or status >= SERVER_ERROR or code == DATABASE_ERROR:
        reason = f"HTTP {status} {code}: {told.get('message', '')}"[:REASON_CHARACTERS]
        away = AwayError(reason, pause=_pause(headers), suspect=code in (DATABASE_ERROR, "INTERNAL_ERROR"))
        away.denied = RestException(told) if status == FORBIDDEN else None
        raise away
    raise RefusedError(RestException(told))


def _pause(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def innermost(error: BaseException) -> str:
    """Return what really happened: MLflow, requests and urllib3 wrap it, address and all."""
    inner: object = (
        (error.__cause__ or error.__context__ or error) if isinstance(error, MlflowException) else error
    )
    while isinstance(inner, BaseException):
        error, inner = inner, getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
    text = str(error).rpartition(": ")[2] if isinstance(error, HTTPError) else str(error)
    return text[:REASON_CHARACTERS] or type(error).__name__
