"""The audit, against a stand-in for PyPI that is reached as the real one is, through a proxy."""

import inspect
import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pip_audit._service import pypi

import audit
from bad_input import BadInputError
from rehearsal.certificates import CertificateAuthority
from rehearsal.processes import free_port

LOCK = """\
left==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
right==2.0 ; python_full_version < '3.0' \\
    --hash=sha256:22
right==3.0 ; sys_platform == 'plan9' \\
    --hash=sha256:33
"""
VULNERABILITY = {
    "id": "PYSEC-2026-1", "aliases": [], "fixed_in": ["9.0"], "summary": "it\nleaks", "details": "",
    "withdrawn": None, "published": None,
}  # fmt: skip
# Whom pip-audit asks, as it says itself.
HOST = re.findall(r"https://([^/]+)/pypi/", inspect.getsource(pypi))[0]
Answers = dict[str, Any]


@pytest.fixture
def answers() -> Answers:
    """Return what PyPI says about each release: its vulnerabilities; 404 about one it does not name."""
    return {"left/1.0": [], "right/2.0": [], "right/3.0": []}


@pytest.fixture
def run(answers: Answers, tmp_path: Path) -> Iterator[Callable[..., tuple[int, str]]]:
    """Return a function that audits locks as `make audit` does."""
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("pypi", HOST)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)

    class PyPI(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
            self.handle_one_request()

        def do_GET(self) -> None:
            assert self.headers["Host"] == HOST
            vulnerabilities = answers.get(self.path.removeprefix("/pypi/").removesuffix("/json"))
            body = json.dumps({"vulnerabilities": vulnerabilities}).encode()
            self.send_response(404 if vulnerabilities is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    def run(*locks: Path, port: int | None = None) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, audit.__file__, *locks],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "HTTPS_PROXY": f"http://127.0.0.1:{port or proxy.server_port}",
                "REQUESTS_CA_BUNDLE": str(authority.bundle),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    with ThreadingHTTPServer(("127.0.0.1", 0), PyPI) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        yield run
        proxy.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


@pytest.mark.rehearsal
def test_a_clean_lock_passes(run: Callable[..., tuple[int, str]], lock: Path) -> None:
    assert run(lock) == (0, "audit: no known vulnerability in 3 packages\n")


@pytest.mark.rehearsal
@pytest.mark.parametrize("package", ["left/1.0", "right/2.0", "right/3.0"])
def test_a_vulnerable_package_fails_whichever_python_it_is_for(
    run: Callable[..., tuple[int, str]], lock: Path, answers: Answers, package: str
) -> None:
    answers[package] = [VULNERABILITY]
    code, said = run(lock)
    assert code == 1
    assert said.startswith(f"audit: {package.replace('/', ' ')} (")
    assert said.endswith("requirements.lock) has PYSEC-2026-1, fixed in 9.0: it leaks\n")
    assert said.count("\n") == 1


@pytest.mark.rehearsal
def test_a_package_that_pypi_does_not_know_fails(
    run: Callable[..., tuple[int, str]], lock: Path, answers: Answers
) -> None:
    del answers["right/2.0"]
    code, said = run(lock)
    assert code == 1
    assert "right 2.0 (" in said
    assert "was not audited: Dependency not found on PyPI" in said
    assert said.count("\n") == 1


@pytest.mark.rehearsal
def test_a_service_that_is_down_fails(run: Callable[..., tuple[int, str]], lock: Path) -> None:
    code, said = run(lock, port=free_port())
    assert code == 1
    assert "2 packages were not audited: " in said
    assert "refused" in said
    assert "Traceback" not in said


def test_every_lock_of_the_checkout_is_audited() -> None:
    ignored = {".venv", ".venv-emulator", ".git", ".rehearsal", ".bench"}
    root = audit.PROJECT
    # What is rehearsed to be upgraded from is old on purpose, and known to be vulnerable.
    older = root / "rehearsal" / "releases"
    found = {path.relative_to(root) for path in root.rglob("*.lock") if path.parent != older}
    assert {str(path) for path in found if path.parts[0] not in ignored} == set(audit.LOCKS)
    assert audit.read([root / name for name in audit.LOCKS])


def test_a_package_that_the_report_leaves_out_is_a_fault() -> None:
    locked = {("left", "1.0"): ["a.lock"], ("right", "2.0"): ["a.lock", "b.lock"]}
    report = {"dependencies": [{"name": "right", "version": "2.1", "vulns": []}]}
    assert audit.faults_in(report, locked) == [
        "left 1.0 (a.lock) was not audited: pip-audit says nothing about it",
        "right 2.0 (a.lock, b.lock) was not audited: another version was",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "received no package"),
        ("# nothing\n", "received no package"),
        ("left\n", "received 'left'"),
        ("left>=1.0\n", "received 'left>=1.0'"),
        ("left==1.*\n", "received 'left==1.*'"),
        ("-e .\n", "received '-e .'"),
        ("left @ https://example.com/left.whl\n", "received 'left @"),
    ],
)
def test_a_lock_that_is_none_is_bad_input(
    text: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(text)
    assert audit.main([str(lock)]) == audit.BAD_INPUT
    assert fault in capsys.readouterr().err


def test_a_lock_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        audit.read([tmp_path / "none.lock"])
