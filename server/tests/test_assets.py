"""How the UI's files are answered: compressed where the build has done so, and kept where they may be."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from server.tests import mlflow_server

APP = mlflow_server.load()

from mlflow.server import app as flask_app  # noqa: E402 - MLflow reads its environment

from server.tracking_server.assets import serve_assets  # noqa: E402

SCRIPT = "static/js/main.c2f5f8d4.js"
PLAIN = "manifest.json"
FONT = "static/media/codicon.f6283f7ccaed1249d9eb.woff2"
CONTENT = {SCRIPT: b"let mlflow = 1;\n" * 500, PLAIN: b"{}", FONT: b"\0\1", "index.html": b"<html></html>"}
KEPT = {"private", "max-age=31536000", "immutable"}


@pytest.fixture(autouse=True)
def _build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MLflow serve a build of which the script alone is compressed."""
    for name, content in CONTENT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / f"{SCRIPT}.gz").write_bytes(gzip.compress(CONTENT[SCRIPT], mtime=0))
    (tmp_path / SCRIPT).unlink()
    (tmp_path.parent / "secret.txt").write_bytes(b"secret")
    (tmp_path.parent / "hidden.js.gz").write_bytes(gzip.compress(b"secret"))
    monkeypatch.setattr(flask_app, "static_folder", str(tmp_path))
    monkeypatch.setattr(flask_app, "view_functions", dict(flask_app.view_functions))
    serve_assets(flask_app)


def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask MLflow's whole app, as the server does."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    named = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("localhost", 80),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip
    asyncio.run(APP(scope, receive, send))
    start = sent[0]
    kept = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], kept, b"".join(message.get("body", b"") for message in sent[1:])


def directives(headers: dict[str, str]) -> set[str]:
    return {each.strip() for each in headers["cache-control"].split(",")}


@pytest.mark.parametrize("prefix", ["/static-files/", "/build/"])
def test_a_script_comes_compressed_as_it_was_built_and_is_kept(prefix: str) -> None:
    status, headers, body = ask(prefix + SCRIPT, accept_encoding="gzip, deflate, br, zstd")
    assert status == 200
    assert gzip.decompress(body) == CONTENT[SCRIPT]
    assert (headers["content-encoding"], headers["content-length"]) == ("gzip", str(len(body)))
    assert "javascript" in headers["content-type"]
    assert "Accept-Encoding" in headers["vary"]
    assert directives(headers) == KEPT


@pytest.mark.parametrize("accepted", [None, "identity", "br", "gzip;q=0"])
def test_who_takes_no_gzip_gets_the_script_itself(accepted: str | None) -> None:
    status, headers, body = ask(
        f"/static-files/{SCRIPT}", **({} if accepted is None else {"accept_encoding": accepted})
    )
    assert (status, body) == (200, CONTENT[SCRIPT])
    assert "content-encoding" not in headers
    assert "javascript" in headers["content-type"]
    assert "Accept-Encoding" in headers["vary"]
    assert directives(headers) == KEPT


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_who_has_it_is_told_so_and_another_encoding_is_another_thing(accepted: str) -> None:
    _, headers, _ = ask(f"/static-files/{SCRIPT}", accept_encoding=accepted)
    path, tag = f"/static-files/{SCRIPT}", headers["etag"]
    status, headers, body = ask(path, accept_encoding=accepted, if_none_match=tag)
    assert (status, body) == (304, b"")
    assert directives(headers) == KEPT
    other = {"gzip": "identity", "identity": "gzip"}[accepted]
    assert ask(path, accept_encoding=other, if_none_match=tag)[0] == 200


def test_what_is_not_compressed_comes_as_it_is() -> None:
    status, headers, body = ask(f"/static-files/{FONT}", accept_encoding="gzip")
    assert (status, body) == (200, CONTENT[FONT])
    assert "content-encoding" not in headers
    assert directives(headers) == KEPT


@pytest.mark.parametrize("path", ["/", f"/static-files/{PLAIN}", "/static-files/index.html"])
def test_what_keeps_its_name_is_asked_for_each_time(path: str) -> None:
    status, headers, _ = ask(path, accept_encoding="gzip")
    assert status == 200
    assert "no-cache" in directives(headers)
    assert not directives(headers) & {"immutable", "public"}
    assert ask(path, if_none_match=headers["etag"])[0] == 304


def test_head_has_the_headers_alone() -> None:
    _, whole, _ = ask(f"/static-files/{SCRIPT}", accept_encoding="gzip")
    status, headers, body = ask(f"/static-files/{SCRIPT}", "HEAD", accept_encoding="gzip")
    assert (status, body, headers) == (200, b"", whole)


@pytest.mark.parametrize(
    "path",
    [
        "static/js/main.00000000.js",
        f"{SCRIPT}/",
        "static",
        "../secret.txt",
        "../hidden.js",
        "static/../../hidden.js",
        "static/../../secret.txt",
        "..%2fsecret.txt",
        "/etc/passwd",
        "%00",
        "\0",
    ],
)
def test_what_is_not_there_or_not_the_uis_is_not_found_and_not_kept(path: str) -> None:
    for accepted in ("gzip", "identity"):
        status, headers, body = ask(f"/static-files/{path}", accept_encoding=accepted)
        assert status in {308, 404}
        assert "cache-control" not in headers
        assert b"secret" not in body
        assert b"root:" not in body
