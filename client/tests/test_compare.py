import json

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from client.tests.test_comparison import make
from mlflow_team import command
from mlflow_team.comparison import compare


def test_the_exit_code_tells_ci(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    make(baseline="1", acc=1)
    arguments = ["compare", make(acc=0.9), "--baseline", "num_trial=1"]
    assert command.main(arguments) == 0
    assert command.main([*arguments, "--higher", "acc"]) == 1
    assert command.main([*arguments, "--higher", "acc=0.2"]) == 0
    assert command.main([*arguments, "--higher", "acc", "--tolerance", "0.2"]) == 0
    assert command.main([*arguments, "--lower", "acc"]) == 0
    for wrong in (["--tolerance", "x"], ["--higher", "acc=x"], ["--metric", "nothing"]):
        assert command.main([*arguments, *wrong]) == 2
    assert command.main(["compare", "no'such`run", "--baseline", "num_trial=1"]) == 2
    assert "no'such`run" in capsys.readouterr().err


def test_json_is_json(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    that = make("old", baseline="1", acc=1)
    this = make("new", acc=2)
    capsys.readouterr()
    assert command.main(["compare", this, "--baseline", "num_trial=1", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run_id"], said["baseline_id"], said["worse"]) == (this, that, False)
    assert said["rows"][0]["relative"] == 1


def test_the_table_shows_the_change(tracking: MlflowClient) -> None:
    that = make("old", baseline="1", params={"lr": 1}, acc=0.8, loss=0)
    this = make("new", params={"lr": 2}, acc=0.9, loss=1)
    assert compare(this, "num_trial=1", {"acc": "higher", "loss": None}).text() == (
        f"new ({this}) against baseline old ({that}), by num_trial=1\n"
        "\n"
        "metric  run  baseline  change  %      better is  tolerance  verdict\n"
        "acc     0.9  0.8       +0.1    +12.5  higher     0 %        better\n"
        "loss    1    0         +1      -      unknown    -          -\n"
        "\n"
        "parameter  run  baseline\n"
        "lr         2    1"
    )


def test_markdown_is_not_broken_by_what_was_logged(tracking: MlflowClient) -> None:
    make("a|b", baseline="1", params={"p": "x|y\n<img src=z> @all `c`"}, acc=1)
    said = compare(make(params={"p": "\x1b[31m" + "w" * 99}, acc=1), "num_trial=1").markdown()
    assert "| acc | 1 | 1 | +0 | +0 | unknown | - | - |" in said
    row = said.splitlines()[-1]
    assert row.replace("\\|", "").count("|") == 4
    assert "<img" not in row
    assert "\\@all" in row
    assert "\x1b" not in row


def test_a_long_value_is_cut_in_a_table_and_whole_in_json(tracking: MlflowClient) -> None:
    make(baseline="1", params={"p": "v" * 99})
    found = compare(make(), "num_trial=1")
    assert "v" * 61 not in found.text()
    assert "v" * 99 in found.to_json()
    assert mlflow.active_run() is None
