import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import trustme

from client.tests.conftest import KEY, SECRET
from client.tests.servers import Answer, Server, server
from client.tests.verifier import read
from mlflow_team import ui_settings
from mlflow_team.token import TokenSource
from mlflow_team.ui import Proxy

pytestmark = pytest.mark.usefixtures("role")
API = "ajax-api/2.0/mlflow/experiments/search"


@dataclass(frozen=True)
class Ui:
    """The running proxy.

    Attributes:
        page: its address, up to what a browser keeps to itself.
        origin: of that address.
    """

    page: str
    origin: str

    def ask(self, path: str = API, *, method: str = "GET", **more: object) -> requests.Response:
        return requests.request(method, self.page + path, timeout=10, allow_redirects=False, **more)  # type: ignore[arg-type]


@contextmanager
def ui(uri: str, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Iterator[Ui]:
    """Run the proxy while the context is open."""
    told = {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_TEAM_STS_REGION": "eu-central-1",
        "MLFLOW_WORKSPACE": "vision",
    }
    settings, faults = ui_settings.read(told | environment)
    assert faults == []
    assert settings
    started: Future[str] = Future()
    ended: Future[Callable[[], object]] = Future()

    async def run() -> None:
        event = asyncio.Event()
        ended.set_result(lambda: loop.call_soon_threadsafe(event.set))
        loop = asyncio.get_running_loop()
        async with Proxy(settings, TokenSource()).serving(0) as address:
            started.set_result(address)
            await event.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    address = started.result(timeout=10)
    found = re.fullmatch(r"((http://127\.0\.0\.1:\d+)/[\w-]{43}/)#/experiments\?workspace=vision", address)
    try:
        assert found, address
        yield Ui(found[1], found[2])
    finally:
        ended.result()()
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def tracking() -> Iterator[Server]:
    with server(
        lambda asked: Answer(headers={"Content-Type": "text/plain"}, body=asked.path.encode())
    ) as running:
        yield running


@pytest.fixture
def shown(tracking: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ui]:
    with ui(tracking.uri, monkeypatch) as running:
        yield running


def test_request_of_our_page_arrives_logged_in(shown: Ui, tracking: Server) -> None:
    answer = shown.ask("get-artifact?path=a%2Fb%20c&x=%E2%82%AC", headers={"X-MLFLOW-WORKSPACE": "vision"})
    assert (answer.status_code, answer.text) == (200, "/get-artifact?path=a%2Fb%20c&x=%E2%82%AC")
    (asked,) = tracking.asked
    read(asked.headers["Authorization"], secrets={KEY: SECRET}, server_id="127.0.0.1")
    assert asked.headers["X-MLFLOW-WORKSPACE"] == "vision"
    assert asked.headers["Host"] == f"127.0.0.1:{tracking.port}"


def test_page_itself_is_the_servers_root(shown: Ui) -> None:
    assert shown.ask("").text == "/"


def test_password_for_the_server_in_netrc_is_not_in_the_logins_way(
    shown: Ui, tracking: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert shown.ask(headers={"Authorization": "Basic eA=="}).status_code == 200
    (asked,) = tracking.asked
    assert asked.headers["Authorization"].startswith("Bearer ")


def test_cookies_of_other_programs_on_this_machine_stay_here_and_none_are_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A browser sends all that 127.0.0.1 ever set, whatever the port: a notebook's login, too."""
    with (
        server(lambda _: Answer(headers={"Set-Cookie": "_xsrf=theirs"})) as tracking,
        ui(tracking.uri, monkeypatch) as shown,
    ):
        answer = shown.ask(headers={"Cookie": "username-127-0-0-1-8888=secret"})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in tracking.asked[0].headers


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_proxy_of_the_environment_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}127.0.0.1:{listening.getsockname()[1]}")
        said: Future[bytes] = Future()

        def refuse() -> None:
            with listening.accept()[0] as asked:
                said.set_result(asked.recv(4096))
                asked.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with ui("https://mlflow.example.com", monkeypatch) as shown:
            assert shown.ask().status_code == 502
        thread.join(timeout=10)
    assert said.result(timeout=10).startswith(b"CONNECT mlflow.example.com:443 ")
    assert b"Bearer" not in said.result()


@pytest.mark.parametrize("path", ["//evil.example/x", "..%2f..", "%2e%2e/x", "@evil.example/", ":80/"])
def test_path_cannot_lead_to_another_server(shown: Ui, tracking: Server, path: str) -> None:
    port = int(shown.origin.rpartition(":")[2])
    prefix = shown.page.removeprefix(shown.origin)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(
            f"GET {prefix}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        said = b"".join(iter(lambda: raw.recv(4096), b""))
    assert b" 200 OK\r\n" in said
    assert [asked.path for asked in tracking.asked] == [f"/{path}"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost:{port}.evil.example",
        "",
        "[::1]:{port}",
    ],
)
def test_other_host_is_refused(shown: Ui, tracking: Server, host: str) -> None:
    """A name that the attacker's DNS points at 127.0.0.1 makes a page of theirs same-origin with us."""
    port = shown.origin.rpartition(":")[2]
    answer = shown.ask(headers={"Host": host.format(port=port)})
    assert answer.status_code == 403
    assert tracking.asked == []


def test_localhost_is_this_machine_too(shown: Ui) -> None:
    port = shown.origin.rpartition(":")[2]
    host = f"localhost:{port}"
    assert shown.ask(method="POST", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200
    assert shown.ask(method="POST", headers={"Host": host, "Origin": shown.origin}).status_code == 403


def test_two_hosts_are_refused(shown: Ui, tracking: Server) -> None:
    port = int(shown.origin.rpartition(":")[2])
    path = shown.page.removeprefix(shown.origin) + API
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n".encode())
        assert raw.recv(4096).split()[1] in (b"400", b"403")
    assert tracking.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site", "Origin": "{origin}"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_foreign_page_is_refused_even_if_it_knew_the_path(
    shown: Ui, tracking: Server, headers: dict[str, str], method: str
) -> None:
    port = shown.origin.rpartition(":")[2]
    sent = {name: value.format(port=port, origin=shown.origin) for name, value in headers.items()}
    answer = shown.ask(method=method, headers=sent)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert tracking.asked == []


def test_page_itself_opens_from_the_file_that_the_browser_got(shown: Ui) -> None:
    from_file = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert shown.ask("", headers=from_file).status_code == 200
    assert shown.ask("", headers=from_file, method="POST").status_code == 403
    assert (
        shown.ask("", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code
        == 403
    )


@pytest.mark.parametrize("path", ["/", f"/{API}", "/" + "A" * 43 + "/", f"//{API}"])
def test_who_does_not_know_the_path_is_refused(shown: Ui, tracking: Server, path: str) -> None:
    """Other people of this machine reach the port as well."""
    answer = requests.get(shown.origin + path, timeout=10)
    assert answer.status_code == 403
    assert "open the address that mlflow-team ui printed" in answer.json()["message"]
    assert tracking.asked == []


def test_each_start_has_another_path(tracking: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with ui(tracking.uri, monkeypatch) as first, ui(tracking.uri, monkeypatch) as second:
        assert first.page.split("/")[3] != second.page.split("/")[3]


def test_only_this_machine_is_answered(shown: Ui) -> None:
    port = int(shown.origin.rpartition(":")[2])
    # The whole of 127.0.0.0/8 is this machine on Linux: a listener on all addresses would answer there.
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_browsers_own_secrets_stay_here(shown: Ui, tracking: Server) -> None:
    shown.ask(
        method="POST",
        headers={
            "Authorization": "Basic YTpi",
            "Origin": shown.origin,
            "Referer": shown.page,
        },
        data=b"{}",
    )
    (asked,) = tracking.asked
    assert asked.headers["Authorization"].startswith("Bearer mlflow-aws-v1.")
    assert asked.headers.get_all("Authorization") == [asked.headers["Authorization"]]
    assert asked.headers["Origin"] == tracking.uri
    assert asked.headers["Referer"] is None
    assert shown.page.split("/")[3] not in str(asked.headers.items())


def test_hop_by_hop_headers_stay_on_their_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"Connection": "X-Theirs", "X-Theirs": "1", "Keep-Alive": "timeout=5"}
    with server(lambda _: Answer(headers=said)) as tracking, ui(tracking.uri, monkeypatch) as shown:
        answer = shown.ask(
            headers={
                "Connection": "X-Ours",
                "X-Ours": "1",
                "TE": "trailers",
                "Proxy-Authorization": "Basic x",
            }
        )
        assert {"X-Theirs", "Keep-Alive"} & set(answer.headers) == set()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        (asked,) = tracking.asked
        assert {"X-Ours", "TE", "Proxy-Authorization"} & set(asked.headers) == set()


def test_redirect_is_handed_on_and_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda _: Answer()) as other:
        lead = Answer(302, {"Location": f"{other.uri}/there"})
        with server(lambda _: lead) as tracking, ui(tracking.uri, monkeypatch) as shown:
            assert shown.ask().status_code == 302
        assert other.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_servers_own_refusal_is_handed_on(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    body = b'{"error_code": "X", "message": "because"}'
    with server(lambda _: Answer(status, body=body)) as tracking, ui(tracking.uri, monkeypatch) as shown:
        answer = shown.ask()
        assert (answer.status_code, answer.content) == (status, body)


def test_compressed_answer_arrives_as_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = Answer(headers={"Content-Encoding": "gzip"}, body=b"not really gzip")
    with server(lambda _: packed) as tracking, ui(tracking.uri, monkeypatch) as shown:
        answer = shown.ask(stream=True)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.raw.read(decode_content=False) == b"not really gzip"


def test_server_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda _: Answer()) as tracking:
        pass
    with ui(tracking.uri, monkeypatch) as shown:
        answer = shown.ask()
    assert answer.status_code == 502
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert f"{tracking.uri} does not answer" in answer.json()["message"]
    assert answer.json()["message"].endswith(f"curl -v {tracking.uri}/health")


def test_who_cannot_log_in_is_told(shown: Ui, tracking: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    answer = shown.ask()
    assert answer.status_code == 503
    assert "only a role logs in" in answer.json()["message"]
    assert tracking.asked == []


def test_server_is_verified_with_the_given_authority(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(machine / "ca.pem")
    trustme.CA().cert_pem.write_to_path(machine / "other.pem")
    with server(lambda _: Answer(body=b"sealed"), context) as tracking:
        uri = tracking.uri.replace("http:", "https:")
        for bundle, status in (("ca.pem", 200), ("other.pem", 502)):
            cert = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(machine / bundle)}
            with ui(uri, monkeypatch, **cert) as shown:
                assert shown.ask().status_code == status
        assert len(tracking.asked) == 1


def test_nothing_is_logged_but_what_the_person_reads(
    shown: Ui, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    shown.ask()
    requests.get(shown.origin, timeout=10)
    said = "".join(capfd.readouterr()) + "".join(
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith(("botocore", "urllib3"))
    )
    assert "mlflow-aws-v1" not in said
    assert shown.page.split("/")[3] not in said
