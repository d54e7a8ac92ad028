"""Scripts that die, each in its way, as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import ends, tags

PLAIN = "import mlflow, sys, time, os\n"
INSIDE = f"{PLAIN}with mlflow.start_run():\n    "
OUTSIDE = f"{PLAIN}mlflow.start_run()\n"
# In short sleeps: a signal between CPython's last look for one and the sleep itself does not end that sleep.
WAITS = "print('ready', flush=True); [time.sleep(0.05) for _ in range(1200)]"
FINALIZER = (
    f"{PLAIN}class Dying:\n    def __del__(self): {WAITS}\nwith mlflow.start_run():\n    Dying()\n    {WAITS}"
)
SECONDS = 60.0


def end(tmp_path: Path, script: str, sent: signal.Signals | None = None, **environment: str) -> int:
    """Run a script to its end, and return its exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            **environment,
            "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
            "MLFLOW_EXPERIMENT_NAME": "tests",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if sent is not None and process.stdout:
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(sent)
        try:
            return process.wait(SECONDS)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("script", "sent", "ended"),
    [
        (
            f"{INSIDE}raise ValueError('no such layer\\nsecond')",
            None,
            ("FAILED", "ValueError: no such layer second", 1),
        ),
        (f"{OUTSIDE}raise ValueError('token=abcdefgh')", None, ("FAILED", "ValueError: token=***", 1)),
        (f"{INSIDE}{WAITS}", signal.SIGTERM, ("KILLED", "SIGTERM", 143)),
        (f"{OUTSIDE}{WAITS}", signal.SIGTERM, ("KILLED", "SIGTERM", 143)),
        # Python drops what is raised in a finalizer.
        (FINALIZER, signal.SIGTERM, ("KILLED", "SIGTERM", 143)),
        (f"{INSIDE}{WAITS}", signal.SIGINT, ("KILLED", "KeyboardInterrupt", -signal.SIGINT)),
        # Python forgets that it was a signal where an exit handler evaluates a text, as namedtuple does.
        (f"{OUTSIDE}{WAITS}", signal.SIGINT, ("KILLED", "KeyboardInterrupt", 1)),
        # What is no death stays as MLflow tells it.
        (f"{OUTSIDE}pass", None, ("FINISHED", None, 0)),
        (
            f"{OUTSIDE}\ntry:\n    1 / 0\nexcept ArithmeticError:\n    mlflow.end_run()",
            None,
            ("FINISHED", None, 0),
        ),
        (f"{OUTSIDE}mlflow.end_run('KILLED')", None, ("KILLED", None, 0)),
    ],
)
def test_run_ends_as_its_script_did(
    tracking: MlflowClient,
    tmp_path: Path,
    script: str,
    sent: signal.Signals | None,
    ended: tuple[str, str | None, int],
) -> None:
    code = end(tmp_path, script, sent)
    (run,) = tracking.search_runs([tracking.get_experiment_by_name("tests").experiment_id])
    assert (run.info.status, run.data.tags.get(tags.ERROR), code) == ended


@pytest.mark.parametrize("moment", ["provenance.store", "contract.mark"])
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT"])
def test_run_that_mlflow_does_not_hold_yet_or_any_more_ends_too(
    tracking: MlflowClient, tmp_path: Path, moment: str, sent: str
) -> None:
    module, function = moment.split(".")
    script = (
        f"{PLAIN}import signal; from mlflow_team import {module}\n"
        f"once = [signal.{sent}]\n"
        f"{module}.{function} = lambda *_: once and (os.kill(os.getpid(), once.pop()), time.sleep(0.1))\n"
        "with mlflow.start_run():\n    pass"
    )
    end(tmp_path, script)
    (run,) = tracking.search_runs([tracking.get_experiment_by_name("tests").experiment_id])
    assert run.info.status == "KILLED"


def test_ends_can_be_switched_off(tracking: MlflowClient, tmp_path: Path) -> None:
    script = f"{OUTSIDE}{WAITS}"
    assert end(tmp_path, script, signal.SIGTERM, MLFLOW_TEAM_ENDS="off") == -signal.SIGTERM
    (run,) = tracking.search_runs([tracking.get_experiment_by_name("tests").experiment_id])
    assert (run.info.status, tags.ERROR in run.data.tags) == ("RUNNING", False)


def test_ends_do_not_hang_on_what_else_is_recorded(tracking: MlflowClient, tmp_path: Path) -> None:
    assert end(tmp_path, f"{INSIDE}{WAITS}", signal.SIGTERM, MLFLOW_TEAM_PROVENANCE="off") == 143
    (run,) = tracking.search_runs([tracking.get_experiment_by_name("tests").experiment_id])
    assert (run.info.status, tags.COMMAND in run.data.tags) == ("KILLED", False)


@pytest.mark.parametrize("start", [INSIDE, OUTSIDE])
def test_upload_that_hangs_holds_up_no_killed_run(tracking: MlflowClient, tmp_path: Path, start: str) -> None:
    (tmp_path / "model.pt").write_text("weights")
    hangs = (
        "import mlflow_team.uploads as u; from mlflow import MlflowClient; u.TERMINATED_SECONDS = 0.2; "
        "MlflowClient.log_artifact = lambda *_, **__: time.sleep(60); u.log_artifact_async('model.pt'); "
    )
    begun = time.monotonic()
    assert end(tmp_path, f"{start}{hangs}{WAITS}", signal.SIGTERM, MLFLOW_TEAM_PACKAGES="off") == 143
    assert time.monotonic() - begun < SECONDS / 2
    (run,) = tracking.search_runs([tracking.get_experiment_by_name("tests").experiment_id])
    assert run.info.status == "KILLED"
    assert "model.pt" in run.data.tags[tags.UPLOADS_FAILED]


def test_scripts_own_handler_and_hook_stay(tracking: MlflowClient, tmp_path: Path) -> None:
    script = (
        f"{PLAIN}import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        f"mlflow.start_run()\n{WAITS}"
    )
    assert end(tmp_path, script, signal.SIGTERM) == 7


def test_worker_process_dies_at_once(tracking: MlflowClient, tmp_path: Path) -> None:
    script = (
        f"{OUTSIDE}child = os.fork()\n"
        "if child == 0:\n    time.sleep(60)\n    os._exit(0)\n"
        "time.sleep(0.2); os.kill(child, 15)\n"
        "sys.exit(0 if os.waitpid(child, 0)[1] == 15 else 1)"
    )
    begun = time.monotonic()
    assert end(tmp_path, script) == 0
    assert time.monotonic() - begun < SECONDS / 2


def test_last_line_is_short_and_tells_a_group_and_a_syntax_error() -> None:
    assert len(ends.last_line(ValueError("x" * 1000))) == ends.LONGEST
    assert ends.last_line(ExceptionGroup("both", [ValueError("a")])).startswith("ExceptionGroup: both")
