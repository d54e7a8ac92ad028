"""Why a request is not handed on: one sentence and one command for people, a rule's name for the log."""

import json
from dataclasses import dataclass

from .asgi import Send, answer

# MLflow's own words, by which its client raises.
CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A value, not an exception: an exception's context could carry a token into a log.

    Attributes:
        status: HTTP's.
        rule: which rule was broken; constant words, never the client's.
        message: for the client.
        retry_seconds: when it may come again; None says nothing of that.
    """

    status: int
    rule: str
    message: str
    retry_seconds: int | None = None

    @property
    def code(self) -> str:
        """MLflow's name of the status."""
        return CODES[self.status]


async def refuse(send: Send, refusal: Refusal) -> None:
    """Answer with it, as MLflow's JSON."""
    body = json.dumps({"error_code": refusal.code, "message": refusal.message}).encode()
    headers = [] if refusal.retry_seconds is None else [(b"retry-after", str(refusal.retry_seconds).encode())]
    if refusal.status == 401:  # noqa: PLR2004 - HTTP's
        headers.append((b"www-authenticate", b"Bearer"))
    await answer(send, refusal.status, body, (b"content-type", b"application/json"), *headers)
