"""The load balancer serves what its listeners and target group declare."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from rehearsal.certificates import CertificateAuthority
from rehearsal.deployment import Deployment
from rehearsal.emulator import Emulator
from rehearsal.load_balancer import LoadBalancer
from rehearsal.processes import NotReadyError, free_port, listening_socket

pytestmark = pytest.mark.rehearsal

MEBIBYTE = 1024 * 1024
# Well below the declared idle timeout, well above the test's.
IMPATIENCE_SECONDS = 5


class Target(BaseHTTPRequestHandler):
    """Answers what it was asked."""

    protocol_version = "HTTP/1.1"
    health = 200

    def do_GET(self) -> None:
        self._answer(self.health if self.path == "/health" else 200, b"")

    def do_POST(self) -> None:
        body = b""
        if "Content-Length" in self.headers:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, body)

    def _answer(self, status: int, body: bytes) -> None:
        asked = json.dumps({"path": self.path, "bytes": len(body), **dict(self.headers)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(asked)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(asked)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(Path(tmp_path_factory.mktemp("authority")))


@pytest.fixture
def front(
    emulator: Emulator, authority: CertificateAuthority, rehearsed: tuple[Deployment, Deployment]
) -> Iterator[LoadBalancer]:
    arn = rehearsed[1].one("aws:lb/loadBalancer:LoadBalancer").outputs["arn"]
    with LoadBalancer(emulator, authority, arn) as served:
        yield served


@pytest.fixture
def target() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def call(front: LoadBalancer, authority: CertificateAuthority, method: str, path: str, **more: Any) -> Any:
    url = f"https://localhost:{front.ports[443]}{path}"
    return requests.request(method, url, verify=str(authority.bundle), timeout=10, **more)


def test_request_reaches_the_target_with_its_host(
    front: LoadBalancer, authority: CertificateAuthority, target: str
) -> None:
    front.register(target)
    asked = call(front, authority, "GET", "/a/b?c=%20d", headers={"Host": "tracking.example"}).json()
    assert (asked["path"], asked["Host"]) == ("/a/b?c=%20d", "tracking.example")
    assert (asked["X-Forwarded-Proto"], asked["X-Forwarded-Port"]) == ("https", "443")


def test_body_passes_whole(front: LoadBalancer, authority: CertificateAuthority, target: str) -> None:
    front.register(target)
    answer = call(front, authority, "POST", "/upload", data=b"x" * 3 * MEBIBYTE)
    assert (answer.status_code, answer.json()["bytes"]) == (201, 3 * MEBIBYTE)


def test_without_a_target_it_is_503(front: LoadBalancer, authority: CertificateAuthority) -> None:
    assert call(front, authority, "GET", "/").status_code == 503


def test_target_that_went_away_is_502(
    front: LoadBalancer, authority: CertificateAuthority, target: str
) -> None:
    front.register(target)
    front._target = f"127.0.0.1:{free_port()}"
    assert call(front, authority, "GET", "/").status_code == 502


def test_target_that_never_answers_is_504_after_the_idle_timeout(
    emulator: Emulator, authority: CertificateAuthority, front: LoadBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = {"Attributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "0.2"}]}
    impatient = LoadBalancer(emulator, authority, front._arn)
    monkeypatch.setattr(impatient._elb, "describe_load_balancer_attributes", lambda **_: hurried)
    with listening_socket() as silent, impatient:
        impatient._target = f"127.0.0.1:{silent.getsockname()[1]}"
        answer = call(impatient, authority, "GET", "/")
    assert answer.status_code == 504
    assert answer.elapsed.total_seconds() < IMPATIENCE_SECONDS


def test_unhealthy_target_is_not_registered(
    front: LoadBalancer, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "health", 500)
    (group,) = front._elb.describe_target_groups(LoadBalancerArn=front._arn)["TargetGroups"]
    hurried = {**group, "HealthCheckIntervalSeconds": 0.1}
    monkeypatch.setattr(front._elb, "describe_target_groups", lambda **_: {"TargetGroups": [hurried]})
    with pytest.raises(NotReadyError, match="/health answers 500, healthy is 200"):
        front.register(target)


def test_nothing_listens_without_tls(front: LoadBalancer) -> None:
    """A redirect would answer only after a login has crossed in the clear."""
    # Other tests add listeners of their own on other ports, made from the declared one.
    listeners = front._elb.describe_listeners(LoadBalancerArn=front._arn)["Listeners"]
    assert {each["Protocol"] for each in listeners} == {"HTTPS"}
    assert {each["Port"] for each in listeners} == set(front.ports) >= {443}


def test_certificate_is_for_the_declared_name_alone(
    front: LoadBalancer, authority: CertificateAuthority
) -> None:
    with pytest.raises(requests.exceptions.SSLError, match=r"127\.0\.0\.1"):
        requests.get(f"https://127.0.0.1:{front.ports[443]}/", verify=str(authority.bundle), timeout=10)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "spoken"), [(ssl.TLSVersion.TLSv1_1, None), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")]
)
def test_oldest_tls_is_1_2(
    front: LoadBalancer, authority: CertificateAuthority, version: ssl.TLSVersion, spoken: str | None
) -> None:
    context = ssl.create_default_context(cafile=str(authority.bundle))
    # Else our own side would not offer the old version.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    refusal = nullcontext() if spoken else pytest.raises(ssl.SSLError)
    with (
        refusal,
        socket.create_connection(("127.0.0.1", front.ports[443]), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as encrypted,
    ):
        assert encrypted.version() == spoken
