"""What scripts print is an artifact of their runs: most as processes of their own, which end in many ways."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import switches
from mlflow_team.console import capture
from mlflow_team.console.left_behind import forget, left_behind

PLAIN = "import mlflow, sys, time, os, logging\n"
INSIDE = f"{PLAIN}with mlflow.start_run():\n    "
OUTSIDE = f"{PLAIN}mlflow.start_run()\n"
WAITS = "print('ready', flush=True); [time.sleep(0.05) for _ in range(1200)]"  # as in test_ends.py
SECONDS = 60.0


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TEAM_CONSOLE", "on")
    monkeypatch.setenv("MLFLOW_TEAM_SPOOL_DIR", str(tmp_path / "spool"))
    return tmp_path / "spool"


def run(tmp_path: Path, script: str, sent: signal.Signals | None = None) -> tuple[str, str]:
    """Run a script to its end, and return what it wrote to stdout and stderr."""
    where = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_EXPERIMENT_NAME": "tests"}
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **where},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        first = ""
        try:
            if sent is not None and process.stdout:
                while not first.endswith("ready\n"):
                    first += process.stdout.readline()
                process.send_signal(sent)
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return first + out, err


def consoles(client: MlflowClient) -> list[str]:
    """Return the artifact of each run, the oldest first."""
    experiment = client.get_experiment_by_name("tests")
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [mlflow.artifacts.load_text(f"runs:/{each.info.run_id}/console.txt") for each in runs]


def test_everything_printed_is_in_it_and_on_the_screen(
    tracking: MlflowClient, tmp_path: Path, spool: Path
) -> None:
    before = "logging.basicConfig(); print('before')\n"
    script = (
        f"{PLAIN}{before}with mlflow.start_run():\n"
        "    print('one', 2)\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    logging.warning('logged')\n"
        "    sys.stdout.writelines(['a\\n', 'b\\n'])\n"
        "    print('password=hunter2')\n"
        "print('after')\n"
    )
    out, err = run(tmp_path, script)
    lines = ["one 2", "to stderr", "WARNING:root:logged", "a", "b", "password=***"]
    assert consoles(tracking) == ["".join(f"{line}\n" for line in lines)]
    assert out == "before\none 2\na\nb\npassword=hunter2\nafter\n"
    assert err.startswith("to stderr\nWARNING:root:logged\n")
    assert not [path for path in spool.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("script", "sent", "last"),
    [
        (f"{INSIDE}raise ValueError('no such layer')", None, "ValueError: no such layer"),
        (f"{OUTSIDE}raise ValueError('no such layer')", None, "ValueError: no such layer"),
        (f"{INSIDE}{WAITS}", signal.SIGTERM, "SIGTERM"),
        (f"{OUTSIDE}{WAITS}", signal.SIGTERM, "SIGTERM"),
        (f"{INSIDE}{WAITS}", signal.SIGINT, "KeyboardInterrupt"),
        (f"{OUTSIDE}{WAITS}", signal.SIGINT, "KeyboardInterrupt"),
        (f"{INSIDE}sys.exit('bad data')", None, "SystemExit: bad data"),
    ],
)
def test_traceback_stands_at_its_end_once(
    tracking: MlflowClient, tmp_path: Path, script: str, sent: signal.Signals | None, last: str
) -> None:
    run(tmp_path, script, sent)
    (told,) = consoles(tracking)
    assert told.splitlines()[-1].endswith(last)
    assert told.count("Traceback") == 1


def test_run_that_exit_handlers_end_has_its_console_while_s3_still_takes_it(
    tracking: MlflowClient, tmp_path: Path
) -> None:
    script = (
        f"{PLAIN}import concurrent.futures.thread as pools; from mlflow import MlflowClient\n"
        "log = MlflowClient.log_artifact\n"
        "MlflowClient.log_artifact = lambda *given: 1 / (not pools._shutdown) and log(*given)\n"
        "mlflow.start_run(); print('one'); print('two', end='')"
    )
    run(tmp_path, script)
    assert consoles(tracking) == ["one\ntwo\n"]


def test_error_that_was_dealt_with_is_not_in_it(tracking: MlflowClient, tmp_path: Path) -> None:
    run(tmp_path, f"{OUTSIDE}try:\n    1 / 0\nexcept ArithmeticError:\n    print('well'); mlflow.end_run()")
    assert consoles(tracking) == ["well\n"]


def test_without_being_asked_nothing_is_recorded(
    tracking: MlflowClient, tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("", "off", "0"):
        monkeypatch.setenv("MLFLOW_TEAM_CONSOLE", value)
        assert not switches.on(switches.Piece.CONSOLE)
    monkeypatch.delenv("MLFLOW_TEAM_CONSOLE")
    with mlflow.start_run() as active:
        print("one")
    assert "console.txt" not in {each.path for each in tracking.list_artifacts(active.info.run_id)}
    monkeypatch.setenv("MLFLOW_TEAM_CONSOLE", "on")
    monkeypatch.setenv("MLFLOW_TEAM_AUTOMATIC", "off")
    assert not switches.on(switches.Piece.CONSOLE)
    assert not (spool / "console").exists()


def test_killed_processes_console_stays_and_can_be_uploaded(
    tracking: MlflowClient, tmp_path: Path, spool: Path
) -> None:
    run(tmp_path, f"{INSIDE}print('one'); {WAITS}", signal.SIGKILL)
    ((about, file),) = left_behind(spool)
    assert file.read_text() == "one\nready\n"
    assert about.tracking_uri == mlflow.get_tracking_uri()
    tracking.log_artifact(about.run_id, str(file))
    forget(file)
    assert left_behind(spool) == []
    assert consoles(tracking) == ["one\nready\n"]


def test_living_processes_console_is_not_left_behind(
    tracking: MlflowClient, tmp_path: Path, spool: Path
) -> None:
    asks = (
        "import subprocess; from mlflow_team.console.left_behind import left_behind; print("
        "[file.read_text() for _, file in left_behind(__import__('pathlib').Path(sys.argv[1]))])"
    )
    script = (
        f"{INSIDE}print('one')\n"
        f"    other = subprocess.run([sys.executable, '-c', {'import sys; ' + asks!r}, {str(spool)!r}],"
        " capture_output=True, text=True, check=True)\n"
        "    print('left:', other.stdout)\n"
    ).replace("logging\n", "logging, subprocess\n", 1)
    run(tmp_path, script)
    assert consoles(tracking) == ["one\nleft: []\n\n"]


def test_forked_child_writes_nothing_into_its_parents(tracking: MlflowClient, tmp_path: Path) -> None:
    script = (
        f"{INSIDE}print('parent')\n"
        "    child = os.fork()\n"
        "    if child == 0:\n        print('child'); os._exit(0)\n"
        "    os.waitpid(child, 0); print('parent again')\n"
    )
    out, _ = run(tmp_path, script)
    assert out == "parent\nchild\nparent again\n"
    assert consoles(tracking) == ["parent\nparent again\n"]


def test_nested_runs_each_have_what_was_printed_while_they_were_active(tracking: MlflowClient) -> None:
    with mlflow.start_run():
        print("outer")
        with mlflow.start_run(nested=True):
            print("both")
        print("outer again")
    print("nobody")
    assert consoles(tracking) == ["outer\nboth\nouter again\n", "both\n"]


def test_streams_are_what_they_were(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    streams = sys.stdout, sys.stderr
    attributes = [vars(stream).copy() for stream in streams]
    with mlflow.start_run():
        assert (sys.stdout, sys.stderr) == streams
        assert sys.stdout.write("four") == 4
        with pytest.raises(TypeError):
            sys.stdout.write(b"bytes")
        sys.stdout.buffer.write(b"bytes")
        assert sys.stdout.encoding.lower() == "utf-8"
        assert not sys.stdout.isatty()
    assert [vars(stream) for stream in streams] == attributes
    assert capsys.readouterr().out == "fourbytes"
    assert consoles(tracking) == ["four\n"]


def test_run_that_is_resumed_keeps_its_first_console(tracking: MlflowClient) -> None:
    with mlflow.start_run() as first:
        print("first")
    with mlflow.start_run(run_id=first.info.run_id):
        print("second")
    assert consoles(tracking) == ["first\n"]
    (second,) = [
        each.path for each in tracking.list_artifacts(first.info.run_id) if each.path.startswith("console-")
    ]
    assert mlflow.artifacts.load_text(f"runs:/{first.info.run_id}/{second}") == "second\n"


class OutStream:
    """A notebook's: writes into a message, and has no file behind it."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass


def test_stream_without_a_file_behind_it_is_heard(tracking: MlflowClient) -> None:
    stream = OutStream()
    with contextlib.redirect_stdout(stream):
        with mlflow.start_run():
            print("cell")
        print("next cell")
    assert consoles(tracking) == ["cell\n"]
    assert stream.written == "cell\nnext cell\n"
    assert "write" not in vars(stream)


def test_notebooks_next_cell_is_heard_too(tracking: MlflowClient) -> None:
    stream = OutStream()
    with contextlib.redirect_stdout(stream), mlflow.start_run():
        for cell in ("one", "two", "three"):
            before = OutStream.write.__get__(stream)  # IPython puts it back after each cell
            stream.write = lambda text, before=before: before(text.upper())
            capture._cell_runs(None)
            print(cell)
            error = ZeroDivisionError(cell) if cell == "two" else None
            capture._cell_ran(SimpleNamespace(error_before_exec=None, error_in_exec=error))
            stream.write = before
    assert consoles(tracking) == ["one\ntwo\nZeroDivisionError: two\nthree\n"]
    assert stream.written == "ONE\nTWO\nTHREE\n"
    assert not capture._listening._joined


def test_stream_that_writes_to_another_is_heard_once(
    tracking: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Both(OutStream):
        def write(self, text: str) -> int:
            sys.stderr.write(text)
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Both())
    with mlflow.start_run():
        print("once")
    assert consoles(tracking) == ["once\n"]


def test_console_that_cannot_be_written_costs_nothing_but_itself(
    tracking: MlflowClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLFLOW_TEAM_SPOOL_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(capture.folder, "instead", lambda: tmp_path / "file")
    with mlflow.start_run() as active:
        print("one")
    assert tracking.get_run(active.info.run_id).info.status == "FINISHED"
    assert capsys.readouterr().out == "one\n"
