"""A process that was killed is told apart from one that only has nothing to say."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from client.tests.spool.gate import Gate
from mlflow_team import tags

pytestmark = pytest.mark.rehearsal

SECONDS = 60.0
SCRIPT = (
    "import mlflow, sys, time; from mlflow_team.spool import heartbeat; heartbeat.SECONDS = 3.0\n"
    "mlflow.start_run(run_name=sys.argv[1]); print('ready', flush=True); time.sleep(60)"
)


def stale(way: Gate, *options: str) -> tuple[int, dict[str, str]]:
    """Run the command; return exit code and state by name."""
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_team", "stale", "--json", "--experiment", "tests", *options],
        env={**os.environ, "MLFLOW_TRACKING_URI": way.front.uri}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, {found["name"]: found["state"] for found in json.loads(done.stdout)}


def test_killed_process_is_told_apart_from_a_quiet_one(
    way: Gate, truth: MlflowClient, tmp_path: Path
) -> None:
    def process(name: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, name], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "MLFLOW_TRACKING_URI": way.front.uri},
        )  # fmt: skip

    def run(name: str) -> Any:
        experiment = truth.get_experiment_by_name("tests")
        (found,) = truth.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
        return found

    with process("killed") as killed, process("quiet") as quiet:
        try:
            for each in (killed, quiet):
                assert each.stdout
                assert each.stdout.readline() == "ready\n"
            deadline = time.monotonic() + SECONDS
            while tags.HEARTBEAT not in run("killed").data.tags and time.monotonic() < deadline:
                time.sleep(0.1)
            assert set(stale(way)[1]) & {"killed", "quiet"} == set()
            killed.send_signal(signal.SIGKILL)
            while "killed" not in (found := stale(way))[1] and time.monotonic() < deadline:
                time.sleep(0.5)
            assert found[0] == 1
            assert (found[1].get("killed"), "quiet" in found[1]) == ("stale", False)
            code, states = stale(way, "--end")
            assert (code, states.get("killed"), "quiet" in states) == (0, "ended", False)
            ended = run("killed")
            assert (ended.info.status, run("quiet").info.status) == ("KILLED", "RUNNING")
            assert ended.info.end_time == 1000 * int(ended.data.tags[tags.HEARTBEAT].split()[0])
            assert quiet.poll() is None
        finally:
            killed.kill()
            quiet.kill()
