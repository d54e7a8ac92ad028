"""Logins for tests, made independently of the client: right ones, and ones with exactly one thing wrong."""

import base64
from datetime import UTC, datetime
from typing import Any

from server.tracking_server.token import PREFIX, Place

PLACE = Place(server_id="mlflow.example.com", region="eu-west-1", sts="https://sts.eu-west-1.amazonaws.com")
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC).timestamp()


def presigned(client: Any, server_id: str, seconds: int = 900) -> str:
    """Return a token as botocore signs it with the client's credentials."""

    def add_server_id(request: Any, **_: object) -> None:
        request.headers["x-mlflow-server-id"] = server_id

    client.meta.events.register("before-sign.sts.GetCallerIdentity", add_server_id)
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=seconds, HttpMethod="GET")
    return encoded(url)


def encoded(url: str | bytes) -> str:
    """Return the token of any URL."""
    raw = url if isinstance(url, bytes) else url.encode()
    return PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> str:
    """Return the URL of a token."""
    return base64.urlsafe_b64decode(text.removeprefix(PREFIX) + "==").decode()


def parameters(signed_at: float = NOW, **changes: str) -> dict[str, str]:
    """Return a good token's parameters as they stand in its URL, changed by `changes` (with _ for -)."""
    date = datetime.fromtimestamp(signed_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    return {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"ASIAABCDEFGHIJKLMNOP%2F{date[:8]}%2Feu-west-1%2Fsts%2Faws4_request",
        "X-Amz-Date": date,
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host%3Bx-mlflow-server-id",
        "X-Amz-Security-Token": "IQoJb3JpZ2luX2VjEPf%2F%2BwEaCWV1LXdlc3QtMSJH%3D%3D",
        "X-Amz-Signature": "0123456789abcdef" * 4,
    } | {name.replace("_", "-"): value for name, value in changes.items()}


def url(signed_at: float = NOW, **changes: str) -> str:
    """Return a good token's URL, changed by `changes`."""
    query = "&".join(f"{name}={value}" for name, value in parameters(signed_at, **changes).items())
    return f"{PLACE.sts}/?{query}"


def token(signed_at: float = NOW, **changes: str) -> str:
    """Return a good token, changed by `changes`."""
    return encoded(url(signed_at, **changes))
