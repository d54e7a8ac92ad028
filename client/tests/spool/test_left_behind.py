"""Processes that die, forked children, and what `mlflow-team sync` makes of what they leave."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from client.tests.servers import Answer, Asked
from client.tests.spool.gate import Gate
from client.tests.spool.test_spool import history, runs, until
from mlflow_team import tags

pytestmark = pytest.mark.rehearsal

SECONDS = 60.0
QUICK = (
    "from mlflow_team.spool import reach, delivery, asking, heartbeat; "
    "reach.AWAY_SECONDS = delivery.AWAY_SECONDS = asking.AWAY_SECONDS = 1.5; heartbeat.SECONDS = 0.5\n"
)
SCRIPT = f"import mlflow, os, sys, time\n{QUICK}"
WAITS = "print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def script(
    way: Gate, tmp_path: Path, spool_folder: Path
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return what runs a script, and kills it when it says that it is ready."""

    def run(text: str, *, kill: bool = False, **environment: str) -> "subprocess.CompletedProcess[str]":
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT + text],
            cwd=tmp_path,
            env={**os.environ, "MLFLOW_TRACKING_URI": way.front.uri, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            if kill and process.stdout:
                assert process.stdout.readline() == "ready\n"
                process.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=SECONDS)
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


def sync(way: Gate) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_team", "sync", "--json"], stdin=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_TRACKING_URI": way.front.uri}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


Script = Callable[..., "subprocess.CompletedProcess[str]"]


def test_killed_process_loses_nothing_and_its_run_is_killed(
    way: Gate, truth: MlflowClient, script: Script, journals: Callable[[], list[str]]
) -> None:
    way.fault = lambda asked, forward: (
        way.cut(asked, forward) if asked.path.endswith("log-batch") else forward()
    )
    text = (
        "with mlflow.start_run(run_name='killed while away'):\n"
        "    for step in range(200): mlflow.log_metric('loss', 0.5, step)\n"
        f"    mlflow.log_param('a', 1); {WAITS}"
    )
    assert script(text, kill=True).returncode == -signal.SIGKILL
    way.fault = None
    (run,) = runs(truth, "killed while away")
    assert run.info.status == "RUNNING"
    code, (told,) = sync(way)
    assert (code, told["run_id"], told["spooled"], told["lost"]) == (0, run.info.run_id, 0, 0)
    (run,) = runs(truth, "killed while away")
    assert (run.info.status, run.data.params) == ("KILLED", {"a": "1"})
    assert "died on" in run.data.tags[tags.ERROR]
    assert len(history(truth, run.info.run_id, "loss")) == 200
    assert journals() == []
    assert sync(way) == (0, [])


def test_run_ends_though_the_server_is_away_as_sync_begins(
    way: Gate, truth: MlflowClient, script: Script, journals: Callable[[], list[str]]
) -> None:
    text = (
        "with mlflow.start_run(run_name='late end') as run:\n"
        f"    mlflow.log_param('a', 1); mlflow.MlflowClient().get_run(run.info.run_id); {WAITS}"
    )
    assert script(text, kill=True).returncode == -signal.SIGKILL
    way.fault = way.unavailable
    code, (told,) = sync(way)
    assert (code, told["waits_for"]) == (1, "HTTP 503")
    assert journals()
    way.fault = None
    assert sync(way)[0] == 0
    assert runs(truth, "late end")[0].info.status == "KILLED"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_run_of_which_the_script_never_learns_is_taken_back(
    way: Gate, truth: MlflowClient, script: Script, journals: Callable[[], list[str]], sent: signal.Signals
) -> None:
    def kill(asked: Asked, forward: Callable[[], Answer]) -> Answer | None:
        if not asked.path.endswith("runs/create"):
            return forward()
        forward()
        assert len(runs(truth, "orphan")) == 1
        known = {tag["key"]: tag["value"] for tag in json.loads(asked.body)["tags"]}
        os.kill(int(known["pid"]), sent)
        return None

    way.fault = kill
    script("with mlflow.start_run(run_name='orphan', tags={'pid': str(os.getpid())}): pass")
    way.fault = None
    code, _ = sync(way)
    assert (code, runs(truth, "orphan"), journals()) == (0, [], [])


def test_run_with_a_local_id_is_found_again_without_the_list_of_ids(
    way: Gate, truth: MlflowClient, script: Script, spool_folder: Path
) -> None:
    """A full disk has no room for the list; the run's own journal knows."""
    ids = spool_folder / "ids.jsonl"
    way.fault = lambda asked, forward: (
        forward()
        if any(b"CreateRun" in log.read_bytes() for log in spool_folder.glob("local-*/*.log"))
        else way.unavailable(asked, forward)
    )
    text = (
        "with mlflow.start_run(run_name='no list') as run:\n"
        f'    while f\'"{{run.info.run_id}}", "real"\' not in open({str(ids)!r}).read(): time.sleep(0.1)\n'
        f"    mlflow.log_param('a', 1); {WAITS}"
    )
    assert script(text, kill=True).returncode == -signal.SIGKILL
    ids.unlink()
    code, (told,) = sync(way)
    (run,) = runs(truth, "no list")
    assert (code, told["lost"], told["run_id"]) == (0, 0, run.info.run_id)
    assert (run.info.status, run.data.params) == ("KILLED", {"a": "1"})


def test_run_begun_and_ended_while_the_server_was_away_is_sent_by_sync(
    way: Gate, truth: MlflowClient, script: Script
) -> None:
    way.fault = way.unavailable
    done = script(
        "with mlflow.start_run(run_name='all away') as run:\n"
        "    mlflow.log_metric('loss', 0.5); mlflow.log_text('hello', 'a.txt')\n"
        "    with mlflow.start_run(nested=True, run_name='its child'): mlflow.log_param('a', 1)\n"
        "print(run.info.run_id)"
    )
    assert done.returncode == 0
    local = done.stdout.split()[-1]
    code, told = sync(way)
    assert code == 1
    assert {each["waits_for"] for each in told} == {"HTTP 503"}
    way.fault = None
    code, told = sync(way)
    assert code == 0
    (parent,), (child,) = runs(truth, "all away"), runs(truth, "its child")
    assert {each["local_id"]: each["run_id"] for each in told}[local] == parent.info.run_id
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert [a.path for a in truth.list_artifacts(parent.info.run_id)] == ["a.txt"]


def test_sync_leaves_the_journal_of_a_living_process_alone(
    way: Gate, truth: MlflowClient, journals: Callable[[], list[str]]
) -> None:
    with mlflow.start_run() as run:
        way.fault = lambda asked, forward: (
            way.cut(asked, forward) if asked.path.endswith("log-batch") else forward()
        )
        mlflow.log_metric("loss", 0.5)
        assert sync(way) == (0, [])
        assert len(journals()) == 1
        way.fault = None
    until(lambda: truth.get_run(run.info.run_id).info.status == "FINISHED")


def test_run_that_another_process_took_over_is_not_ended(
    way: Gate, truth: MlflowClient, script: Script
) -> None:
    text = f"mlflow.start_run(run_name='taken over'); mlflow.log_metric('loss', 0.5, 1); {WAITS}"
    script(text, kill=True)
    (run,) = runs(truth, "taken over")
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_metric("loss", 0.4, 2)
        # As that process's sender would, on another machine.
        truth.set_tag(run.info.run_id, tags.HEARTBEAT, f"{time.time():.0f} 30 another")
        assert sync(way)[0] == 0
        assert truth.get_run(run.info.run_id).info.status == "RUNNING"
    assert history(truth, run.info.run_id, "loss") == [(1, 0.5), (2, 0.4)]


def test_heartbeat_goes_on_while_the_process_is_quiet_and_ends_with_it(
    way: Gate, truth: MlflowClient, script: Script
) -> None:
    script(f"mlflow.start_run(run_name='beats'); time.sleep(2); {WAITS}", kill=True)
    (run,) = runs(truth, "beats")
    at, every, _writer = run.data.tags[tags.HEARTBEAT].split()
    assert abs(time.time() - float(at)) < 30
    assert every == "0"
    time.sleep(1.5)
    (again,) = runs(truth, "beats")
    assert again.data.tags[tags.HEARTBEAT] == run.data.tags[tags.HEARTBEAT]
    script("mlflow.start_run(run_name='no beat'); time.sleep(1)", MLFLOW_TEAM_HEARTBEAT="off")
    assert tags.HEARTBEAT not in runs(truth, "no beat")[0].data.tags


def test_forked_child_writes_a_journal_of_its_own(
    way: Gate, truth: MlflowClient, script: Script, journals: Callable[[], list[str]]
) -> None:
    done = script(
        "with mlflow.start_run(run_name='forks') as run:\n"
        "    mlflow.log_metric('parent', 1.0, 0)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        client = mlflow.MlflowClient()\n"
        "        for step in range(20): client.log_metric(run.info.run_id, 'child', 1.0, step=step)\n"
        "        client.get_run(run.info.run_id); os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    for step in range(1, 20): mlflow.log_metric('parent', 1.0, step)\n"
    )
    assert done.returncode == 0, done.stderr
    (run,) = runs(truth, "forks")
    assert len(history(truth, run.info.run_id, "parent")) == 20
    assert len(history(truth, run.info.run_id, "child")) == 20
    until(lambda: sync(way) == (0, []) and not journals())


def test_child_process_names_a_parent_that_has_only_a_local_id(
    way: Gate, truth: MlflowClient, script: Script
) -> None:
    way.fault = way.cut
    child = (
        "import mlflow, os; c = mlflow.MlflowClient(); "
        "mlflow.start_run(run_name='by another', parent_run_id=os.environ['PARENT'], nested=True); "
        "mlflow.log_metric('loss', 0.5)"
    )
    done = script(
        "import subprocess\n"
        "with mlflow.start_run(run_name='of one') as run:\n"
        f"    subprocess.run([sys.executable, '-c', {SCRIPT + child!r}], check=True, "
        "env={**os.environ, 'PARENT': run.info.run_id})"
    )
    assert done.returncode == 0, done.stderr
    way.fault = None
    assert sync(way)[0] == 0
    (parent,), (other,) = runs(truth, "of one"), runs(truth, "by another")
    assert other.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert other.data.metrics == {"loss": 0.5}


def test_script_that_ends_no_run_leaves_nothing_behind(
    way: Gate, truth: MlflowClient, script: Script, journals: Callable[[], list[str]]
) -> None:
    script(
        "c = mlflow.MlflowClient(); e = c.get_experiment_by_name('tests').experiment_id\n"
        "run = c.create_run(e, run_name='never ended'); c.log_metric(run.info.run_id, 'loss', 0.5)"
    )
    (run,) = runs(truth, "never ended")
    assert (run.info.status, run.data.metrics) == ("RUNNING", {"loss": 0.5})
    assert journals() == []


def test_console_of_a_killed_process_is_sent_by_sync(way: Gate, truth: MlflowClient, script: Script) -> None:
    way.fault = way.unavailable  # so that its run has only a local id
    text = f"mlflow.start_run(run_name='printed'); print('a word', file=sys.stderr); {WAITS}"
    script(text, kill=True, MLFLOW_TEAM_CONSOLE="on", MLFLOW_TEAM_PROVENANCE="on")
    way.fault = None
    code, told = sync(way)
    assert (code, sum(each["lost"] for each in told)) == (0, 0)
    (run,) = runs(truth, "printed")
    assert [a.path for a in truth.list_artifacts(run.info.run_id) if a.path == "console.txt"]
    assert "a word" in mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/console.txt")
    assert sync(way) == (0, [])
