"""The load balancer serves what its listeners and target group declare."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from rehearsal.certificates import CertificateAuthority
from rehearsal.deployment import Deployment
from rehearsal.emulator import Emulator
from rehearsal.load_balancer import LoadBalancer
from rehearsal.processes import NotReadyError, free_port

pytestmark = pytest.mark.rehearsal

MEBIBYTE = 1024 * 1024


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


def test_unhealthy_target_is_not_registered(
    front: LoadBalancer, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "health", 500)
    (group,) = front._elb.describe_target_groups(LoadBalancerArn=front._arn)["TargetGroups"]
    hurried = {**group, "HealthCheckIntervalSeconds": 0.1}
    monkeypatch.setattr(front._elb, "describe_target_groups", lambda **_: {"TargetGroups": [hurried]})
    with pytest.raises(NotReadyError, match="/health answers 500, healthy is 200"):
        front.register(target)


def test_plain_http_is_sent_to_tls(front: LoadBalancer, target: str) -> None:
    front.register(target)
    answer = requests.get(f"http://localhost:{front.ports[80]}/x?y=1", allow_redirects=False, timeout=10)
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"https://localhost:{front.ports[443]}/x?y=1"


def test_certificate_is_for_the_declared_name_alone(
    front: LoadBalancer, authority: CertificateAuthority
) -> None:
    with pytest.raises(requests.exceptions.SSLError, match=r"127\.0\.0\.1"):
        requests.get(f"https://127.0.0.1:{front.ports[443]}/", verify=str(authority.bundle), timeout=10)
