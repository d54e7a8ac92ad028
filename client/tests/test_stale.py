import json
import time
from email.utils import formatdate
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from client.tests.servers import Answer, server
from mlflow_team import command, server_clock, tags
from mlflow_team.commands.import_runs import NO_LINKS

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_LINKS, "")  # so that it is put back


def started(client: MlflowClient, name: str, heartbeat: str | None, experiment: str = "tests") -> str:
    """Start a run whose last heartbeat says so, and return its id."""
    found = client.get_experiment_by_name(experiment)
    run_id = client.create_run(found.experiment_id, run_name=name).info.run_id
    if heartbeat is not None:
        client.set_tag(run_id, tags.HEARTBEAT, heartbeat)
    return run_id


def stale(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command; return exit code and what it found, by name."""
    capsys.readouterr()
    code = command.main(["stale", "--json", *options])
    return code, {found["name"]: found for found in json.loads(capsys.readouterr().out)}


def test_runs_whose_heartbeat_stopped_are_listed_and_others_are_not(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    started(tracking, "quiet", f"{now - 100:.0f} 30 whoever")
    dead = started(tracking, "dead", f"{now - 130:.0f} 30")
    started(tracking, "plain", None)
    started(tracking, "unreadable", "soon")
    ended = started(tracking, "ended", f"{now - DAY:.0f} 30")
    tracking.set_terminated(ended)
    code, found = stale(capsys)
    assert code == 1
    assert {name: each["state"] for name, each in found.items()} == {
        "dead": "stale",
        "plain": "unknown",
        "unreadable": "unknown",
    }
    assert command.main(["stale"]) == 1
    shown = capsys.readouterr()
    assert f"tests  dead  {dead}  " in shown.out
    assert "1 stale, 0 ended, 2 unknown" in shown.err


def test_stale_runs_are_ended_at_their_last_heartbeat_and_unknown_ones_are_not(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = started(tracking, "dead", "1700000000 30")
    plain = started(tracking, "plain", None)
    code, found = stale(capsys, "--end")
    assert (code, found["dead"]["state"], found["plain"]["state"]) == (0, "ended", "unknown")
    run = tracking.get_run(dead)
    assert (run.info.status, run.info.end_time) == ("KILLED", 1_700_000_000_000)
    assert run.data.tags[tags.ERROR] == (
        "no heartbeat since 2023-11-14T22:13:20+00:00; ended by mlflow-team stale"
    )
    assert tracking.get_run(plain).info.status == "RUNNING"
    tracking.set_terminated(dead, "FINISHED")  # it was only cut off
    assert tracking.get_run(dead).info.status == "FINISHED"


def test_only_the_experiments_that_are_named_are_looked_at(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two", "three"):
        tracking.create_experiment(name)
        started(tracking, f"of {name}", "1700000000 30", name)
    code, found = stale(capsys, "--experiment", "one", "--experiment", "two", "--end")
    assert (code, set(found)) == (0, {"of one", "of two"})
    code, found = stale(capsys)
    assert (code, set(found)) == (1, {"of three"})
    assert command.main(["stale", "--experiment", "four"]) == 2
    assert "no experiment 'four'" in capsys.readouterr().err


def test_run_that_comes_back_meanwhile_is_not_ended(
    tracking: MlflowClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(tracking, "back", "1700000000 30")
    get_run = MlflowClient.get_run

    def back(client: MlflowClient, run_id: str) -> Any:
        client.set_tag(run_id, tags.HEARTBEAT, f"{time.time():.0f} 30")
        return get_run(client, run_id)

    monkeypatch.setattr(MlflowClient, "get_run", back)
    assert stale(capsys, "--end") == (0, {})


def test_nothing_stale_is_done(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    started(tracking, "plain", None)
    assert stale(capsys)[0] == 0


def test_clock_is_the_servers() -> None:
    def said(*_: object) -> Answer:
        return Answer(headers={"Date": formatdate(1_700_000_000, usegmt=True)})

    before = mlflow.get_tracking_uri()
    try:
        with server(said) as running:
            mlflow.set_tracking_uri(running.uri)
            assert server_clock.now() == 1_700_000_000
        with server(lambda _: Answer(headers={"Date": ""})) as running:
            mlflow.set_tracking_uri(running.uri)
            with pytest.raises(MlflowException, match="/health answers 200 without a time: let what stands"):
                server_clock.now()
    finally:
        mlflow.set_tracking_uri(before)
