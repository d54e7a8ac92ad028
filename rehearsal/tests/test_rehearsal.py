"""The rehearsal from outside: what a newcomer types, what is left when it ends, however it ends."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".rehearsal"
LINE_SECONDS = 120.0
END_SECONDS = 30.0
# Two, and what a busy machine adds; without signs of life it would be ten and more.
SILENCE_SECONDS = 4.0
LATER_SECONDS = (0.0, 0.4, 0.8)
# What a newcomer's shell may hold, and what the last `make up` may have left in it.
HOSTILE_SHELL = {
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "AWS_PROFILE": "gone",
    "AWS_ENDPOINT_URL": "https://127.0.0.1:9",
    "MLFLOW_TRACKING_URI": "https://127.0.0.1:9",
    "MLFLOW_WORKSPACE": "another",
    "PGHOST": "127.0.0.1",
}
FAVOURITE_PORTS = (5000, 5432, 4566, 8443)
STEPS = (
    "AWS emulator with IAM enforced",
    "preview of the Pulumi program",
    "up",
    "declared against created",
    "Postgres behind RDS's login",
    "tasks of the registered definition",
    "load balancer from its listeners",
    "onboarding of team vision",
    "smoke tests as team vision",
    "end of all that was started",
)
# Each takes half a minute or more. The load balancer is much like the tasks before it, and who interrupts
# the end finds it at work already.
INTERRUPTED = tuple(step for step in STEPS[:-1] if step != "load balancer from its listeners")

pytestmark = pytest.mark.rehearsal


class Terminal:
    """A shell of its own session in which one command runs."""

    def __init__(self, *command: str | Path, folder: Path = ROOT) -> None:
        # Its temporary folder is its own, so that all in it is what it left. Postgres, when not root, enters.
        self.temporary = Path(tempfile.mkdtemp(prefix="terminal-"))
        self.temporary.chmod(0o755)
        self.child = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | HOSTILE_SHELL | {"TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed: list[str] = []
        self.longest_silence = 0.0

    def read_until(self, wanted: str) -> str:
        deadline, last = time.monotonic() + LINE_SECONDS, time.monotonic()
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.longest_silence = max(self.longest_silence, time.monotonic() - last)
            last = time.monotonic()
            self.printed.append(line)
            if wanted in line:
                return line
            assert time.monotonic() < deadline, f"no {wanted!r} in {self.printed}"
        raise AssertionError(f"it ended without {wanted!r}:\n{''.join(self.printed)}")

    def press_ctrl_c(self, number: int = signal.SIGINT) -> None:
        os.killpg(self.child.pid, number)

    def end(self) -> int:
        rest, _ = self.child.communicate(timeout=LINE_SECONDS)
        self.printed.append(rest)
        return self.child.returncode

    @property
    def text(self) -> str:
        return "".join(self.printed)

    def leftovers(self) -> list[str]:
        """Return what is left of it: processes of its session, files in its temporary folder."""
        found = [str(path) for path in self.temporary.iterdir()]
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self.child.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return found


@pytest.fixture
def nothing_left() -> Iterator[list[Terminal]]:
    """Hold each terminal a test opens against what must be gone after it."""
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        if terminal.child.poll() is None:
            terminal.press_ctrl_c(signal.SIGTERM)
            terminal.end()
        assert terminal.leftovers() == []
        terminal.temporary.rmdir()
    assert not list(FOLDER.glob("*.partial"))


def test_two_words_rehearse_the_whole_stack(nothing_left: list[Terminal]) -> None:
    with contextlib.ExitStack() as taken:
        for port in FAVOURITE_PORTS:
            busy = taken.enter_context(socket.socket())
            busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # somebody else holds it: as good
                busy.bind(("127.0.0.1", port))
                busy.listen()
        terminal = Terminal("make", "rehearse")
        nothing_left.append(terminal)
        terminal.read_until("rehearsal: passed")
        assert terminal.end() == 0, terminal.text
    assert terminal.longest_silence < SILENCE_SECONDS, f"{terminal.longest_silence:.1f} s of silence"
    report = json.loads((FOLDER / "report.json").read_text())
    assert [step["name"] for step in report["steps"]] == list(STEPS)
    assert all(step["ok"] for step in report["steps"])
    assert report["smoke"]["passed"] > 0
    assert report["smoke"]["failed"] == report["smoke"]["skipped"] == 0
    assert sum(report["resources"].values()) > 0
    assert report["not_rehearsed"]


@pytest.mark.parametrize(("number", "step"), list(enumerate(INTERRUPTED)), ids=INTERRUPTED)
def test_interrupted_it_leaves_nothing_and_starts_again(
    number: int, step: str, nothing_left: list[Terminal]
) -> None:
    """Each case is the second start after the one before."""
    terminal = Terminal(sys.executable, "-m", "rehearsal")
    nothing_left.append(terminal)
    terminal.read_until(f"  {step}")
    time.sleep(LATER_SECONDS[number % len(LATER_SECONDS)])
    terminal.press_ctrl_c((signal.SIGINT, signal.SIGTERM)[number % 2])
    assert terminal.end() == 130, terminal.text
    assert "nothing is left running" in terminal.text
    assert not (FOLDER / "report.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel ties processes to one another")
def test_killed_it_leaves_no_process_and_the_next_start_removes_its_folder(
    nothing_left: list[Terminal],
) -> None:
    killed = Terminal(sys.executable, "-m", "rehearsal")
    nothing_left.append(killed)
    killed.read_until("onboarding of team")
    killed.child.kill()
    killed.end()
    deadline = time.monotonic() + END_SECONDS
    while [left for left in killed.leftovers() if not left.startswith(str(killed.temporary))]:
        assert time.monotonic() < deadline, killed.leftovers()
        time.sleep(0.1)
    assert killed.leftovers() != []

    following = Terminal(sys.executable, "-m", "rehearsal")
    nothing_left.append(following)
    following.read_until("preview of the Pulumi program")
    following.press_ctrl_c()
    assert following.end() == 130


def test_stack_that_lets_a_team_into_anothers_prefix_fails(
    tmp_path: Path, nothing_left: list[Terminal]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for environment in (".venv", ".venv-emulator"):
        (copy / environment).symlink_to(ROOT / environment)
    policies = copy / "infra" / "policies.py"
    sound = policies.read_text()
    loose = sound.replace('prefix = f"{WORKSPACES}/{team}/*"', 'prefix = f"{WORKSPACES}/*"')
    assert loose != sound
    policies.write_text(loose)

    terminal = Terminal(copy / ".venv" / "bin" / "python", "-m", "rehearsal", folder=copy)
    nothing_left.append(terminal)
    assert terminal.end() == 1
    assert "test_reading_the_other_teams_prefix_is_refused FAILED" in terminal.text
    report = json.loads((copy / ".rehearsal" / "report.json").read_text())
    assert report["smoke"]["failed"] > 0
    assert [step["name"] for step in report["steps"] if not step["ok"]] == ["smoke tests as team vision"]


def test_make_up_shows_the_ui_until_ctrl_c_and_refuses_a_second_one(nothing_left: list[Terminal]) -> None:
    terminal = Terminal("make", "up")
    nothing_left.append(terminal)
    address = terminal.read_until("  UI  ").split()[1]
    terminal.read_until("Ctrl-C")

    second = subprocess.run(
        [sys.executable, "-m", "rehearsal"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
        check=False,
    )
    assert second.returncode == 2
    assert "already running in this checkout" in second.stderr

    pairs = (line.split("=", 1) for line in (FOLDER / "client.env").read_text().splitlines())
    client = dict(pairs)
    with urllib.request.urlopen(address, timeout=10) as page:
        assert b"<title>MLflow</title>" in page.read()
    assert address.endswith("/#/experiments?workspace=vision")
    context = ssl.create_default_context(cafile=client["MLFLOW_TRACKING_SERVER_CERT_PATH"])
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(client["MLFLOW_TRACKING_URI"], context=context, timeout=10)

    terminal.press_ctrl_c()
    terminal.end()
    assert "nothing is left running" in terminal.text
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=10)
