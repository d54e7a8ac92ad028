"""Which headers the fast path takes, and which answers it gives them."""

from collections.abc import Iterator

import pytest

from server.tests import mlflow_server

mlflow_server.load()

from server.tracking_server import plain_headers  # noqa: E402 - MLflow reads its environment
from server.tracking_server.plain_headers import Headers, headers_of, workspace_of  # noqa: E402

HOST = (b"host", b"mlflow.example.com")
KIND = (b"content-type", b"application/json")
WORKSPACE = (b"x-mlflow-workspace", b"vision")
OTHERS = [(b"accept", b"*/*"), (b"user-agent", b"mlflow-python-client/3.17.2"), (b"content-length", b"2")]


@pytest.fixture(autouse=True)
def _hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example.com,mlflow.example.com:*")
    monkeypatch.delenv("MLFLOW_SERVER_X_FRAME_OPTIONS", raising=False)
    plain_headers._is_allowed.cache_clear()
    plain_headers._constant.cache_clear()
    yield
    plain_headers._is_allowed.cache_clear()
    plain_headers._constant.cache_clear()


def test_what_mlflows_client_sends_is_taken() -> None:
    assert workspace_of([HOST, KIND, WORKSPACE, *OTHERS], body=True) == "vision"
    assert workspace_of([HOST, WORKSPACE, *OTHERS], body=False) == "vision"


@pytest.mark.parametrize("kind", [b"application/json", b"application/json; charset=utf-8"])
def test_json_is_taken(kind: bytes) -> None:
    assert workspace_of([HOST, WORKSPACE, (b"content-type", kind)], body=True) == "vision"


@pytest.mark.parametrize(
    "kind", [b"text/plain", b"", b"Application/JSON", b"application/json;charset=x", b"application/jsonp"]
)
def test_a_body_of_another_kind_is_mlflows_to_judge(kind: bytes) -> None:
    headers = [HOST, WORKSPACE, (b"content-type", kind)]
    assert workspace_of(headers, body=True) == ""
    assert workspace_of(headers, body=False) == "vision"
    assert workspace_of([HOST, WORKSPACE], body=True) == ""


@pytest.mark.parametrize(
    "host",
    [b"mlflow.example.com:443", b"mlflow.example.com"],
)
def test_an_allowed_host_is_taken(host: bytes) -> None:
    assert workspace_of([(b"host", host), WORKSPACE], body=False) == "vision"


@pytest.mark.parametrize("host", [b"evil.example", b"mlflow.example.com.evil.example", b"", b"\xff"])
def test_another_host_is_mlflows_to_refuse(host: bytes) -> None:
    assert workspace_of([(b"host", host), WORKSPACE], body=False) == ""
    assert workspace_of([WORKSPACE], body=False) == ""


@pytest.mark.parametrize(
    "header",
    [
        (b"origin", b"https://mlflow.example.com"),
        (b"origin", b""),
        (b"content-encoding", b"gzip"),
        (b"transfer-encoding", b"chunked"),
        WORKSPACE,
        HOST,
        (b"accept", b"text/html"),
    ],
)
def test_a_header_that_changes_the_answer_or_comes_twice_is_mlflows_to_judge(
    header: tuple[bytes, bytes],
) -> None:
    headers: Headers = [HOST, KIND, WORKSPACE, *OTHERS]
    assert workspace_of([*headers, header], body=True) == ""


def test_without_a_workspace_mlflow_answers() -> None:
    assert workspace_of([HOST, KIND], body=True) == ""


def test_an_answer_has_the_headers_of_mlflows(monkeypatch: pytest.MonkeyPatch) -> None:
    for frames, header in (("", b"SAMEORIGIN"), ("deny", b"DENY"), ("none", None)):
        if frames:
            monkeypatch.setenv("MLFLOW_SERVER_X_FRAME_OPTIONS", frames)
        plain_headers._constant.cache_clear()
        headers = dict(headers_of(b"{} "))
        assert headers.get(b"x-frame-options") == header
        assert headers[b"content-length"] == b"3"
        assert headers[b"content-type"] == b"application/json"
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"vary"] == b"Origin"
