import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from client.tests.servers import Answer, server
from mlflow_team import command
from mlflow_team.commands.ui import NO_UI

ENDS_WITHIN = 10
BROWSER = """#!/bin/sh
ls -l "${1#file://}" > "$0.seen"
cat "${1#file://}" >> "$0.seen"
echo "$@" > "$0.told"
"""


@pytest.fixture(autouse=True)
def _role(role: None) -> None:
    pass


def test_every_fault_is_told_with_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_STS_REGION", "x")
    assert command.main(["ui"]) == 2
    uri, region = capsys.readouterr().err.splitlines()
    assert uri.startswith("mlflow-team: MLFLOW_TRACKING_URI is ''")
    assert region.startswith("mlflow-team: MLFLOW_TEAM_STS_REGION is 'x'")


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "²"])
def test_what_is_no_port_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(["ui", "--port", port])
    assert end.value.code == 2
    assert "1 to 65535" in capsys.readouterr().err or port.startswith("-")


def test_missing_extra_names_what_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mlflow_team.ui", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert command.main(["ui"]) == 2
    assert capsys.readouterr().err == f"mlflow-team: {NO_UI}\n"


def test_who_cannot_log_in_is_told_before_a_browser_opens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("opened"))
    assert command.main(["ui"]) == 1
    assert "only a role logs in" in capsys.readouterr().err


def test_taken_port_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command.main(["ui", "--port", str(port), "--no-browser"]) == 2
    told = f"mlflow-team: 127.0.0.1:{port} cannot be served (Address already in use): mlflow-team ui\n"
    assert capsys.readouterr().err == told


@contextmanager
def running(uri: str, *options: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command as a person does and yield the address that it prints."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_WORKSPACE": "vision", **more}
    with subprocess.Popen(
        [sys.executable, "-m", "mlflow_team", "ui", *options],
        cwd=Path(command.__file__).parents[1], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            assert process.stdout
            first, second = process.stdout.readline(), process.stdout.readline()
            assert first == f"mlflow-team: {uri}, logged in, until Ctrl-C:\n"
            yield process, second.strip()
        finally:
            process.kill()


@pytest.mark.rehearsal
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end_is_quiet_and_leaves_nothing(number: signal.Signals) -> None:
    with server(lambda _: Answer()) as tracking, running(tracking.uri, "--no-browser") as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}/#/experiments\?workspace=vision", address)
        assert requests.get(address, timeout=10).status_code == 200
        process.send_signal(number)
        said, _ = process.communicate(timeout=ENDS_WITHIN)
        assert (process.returncode, said) == (0, "")


@pytest.mark.rehearsal
def test_browser_gets_the_address_in_a_file_that_only_we_can_read(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    with (
        server(lambda _: Answer()) as tracking,
        running(tracking.uri, DISPLAY=":0", BROWSER=str(browser), TMPDIR=str(tmp_path)) as (process, address),
    ):
        told = tmp_path / "browser.told"
        for _ in range(1000):
            if told.exists() and told.read_text():
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.01)
        assert told.read_text().startswith("file://")
        assert address.split("/")[3] not in told.read_text()
        seen = (tmp_path / "browser.seen").read_text()
        assert seen.startswith("-rw------- ")
        assert f"url={address}" in seen
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=ENDS_WITHIN)
    assert list(tmp_path.glob("*.html")) == []
