"""The headers of requests that need no judgement of MLflow's, and of answers as MLflow gives them."""

from functools import lru_cache

from mlflow.environment_variables import MLFLOW_SERVER_X_FRAME_OPTIONS
from mlflow.server.fastapi_security import get_allowed_hosts
from mlflow.server.security_utils import is_allowed_host_header

from .workspaces import HEADER

Headers = list[tuple[bytes, bytes]]

JSON = (b"application/json", b"application/json; charset=utf-8")
# By these MLflow refuses a request or reads its body in another way.
JUDGED_BY_MLFLOW = {b"origin", b"content-encoding", b"transfer-encoding"}


def workspace_of(headers: Headers, *, body: bool) -> str:
    """Return the workspace a request works in; nothing when MLflow must judge its headers.

    Args:
        headers: with names in lower case.
        body: whether a body is read, so that it must be said to be JSON.
    """
    named = dict(headers)
    if len(named) < len(headers) or named.keys() & JUDGED_BY_MLFLOW:
        return ""
    if (body and named.get(b"content-type") not in JSON) or not _is_allowed(named.get(b"host", b"")):
        return ""
    return named.get(HEADER, b"").decode("latin-1")


def headers_of(body: bytes) -> Headers:
    """Return what MLflow's own answer with this body has."""
    return [*_constant(), (b"content-length", str(len(body)).encode())]


@lru_cache(maxsize=64)
def _is_allowed(host: bytes) -> bool:
    try:
        return is_allowed_host_header(get_allowed_hosts(), host.decode())
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=1)
def _constant() -> Headers:
    headers = [
        (b"content-type", b"application/json"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Origin"),
    ]
    frames = (MLFLOW_SERVER_X_FRAME_OPTIONS.get() or "NONE").upper()
    return headers if frames == "NONE" else [*headers, (b"x-frame-options", frames.encode())]
