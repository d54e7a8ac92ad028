"""Runs go into a sheet, by the command that people type, and come back as they were."""

import math
from pathlib import Path

import mlflow
import openpyxl
import pytest
from mlflow import MlflowClient

from client.tests.sheets import environment, kept, run_import, runs  # noqa: F401 - a fixture
from mlflow_team import command, tags


@pytest.fixture
def strange(tracking: MlflowClient) -> MlflowClient:
    """Runs with all that is hard to write into a cell."""
    with mlflow.start_run(run_name="=cmd()|' /C calc'!A0"):
        mlflow.log_params(
            {"path": "'=x", "zip": "00501", "long": "実" * 5000, "lines": "a\r\nb\nc\ttab", "space": " x "}
        )
        mlflow.log_metrics({"loss": 1 / 3, "tiny": 5e-324})
        mlflow.log_metric("nan", math.nan)
        mlflow.log_metric("infinite", -math.inf)
        mlflow.log_metric("loss", 0.1, step=5)
        mlflow.set_tag("mlflow.note.content", "-1+1\n\x0b_x0041_")
        mlflow.set_tag("sign", "-5")
    with mlflow.start_run():
        mlflow.log_param("empty", "")
    return tracking


def same_numbers(one: dict[str, float], other: dict[str, float]) -> bool:
    return {name: repr(value) for name, value in one.items()} == {
        name: repr(value) for name, value in other.items()
    }


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_export_comes_back_as_it_was(
    strange: MlflowClient, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = kept(strange)
    file = tmp_path / f"out.{suffix}"
    assert command.main(["export", str(file), "--experiment", "tests"]) == 0
    capsys.readouterr()
    run_import(file, "--dry-run")
    assert "0 new, 0 changed, 2 as they are" in capsys.readouterr().out
    # Into another experiment it is new, and the same.
    assert command.main(["import", str(file), "--experiment", "copy"]) == 0
    copies, originals = runs(strange, "copy"), runs(strange)
    for name, run in originals.items():
        copy = copies[name]
        assert copy.data.params == {key: value for key, value in run.data.params.items() if value}
        assert same_numbers(copy.data.metrics, run.data.metrics)
        assert (copy.info.start_time, copy.info.end_time) == (run.info.start_time, run.info.end_time)
        assert copy.data.tags.get("mlflow.note.content") == run.data.tags.get("mlflow.note.content")
        assert copy.data.tags[tags.COMMAND] == run.data.tags[tags.COMMAND]
    assert kept(strange) == before


def test_exported_workbook_runs_nothing_and_opens_in_csv_with_its_signs(
    strange: MlflowClient, tmp_path: Path
) -> None:
    for suffix in ("csv", "xlsx"):
        assert command.main(["export", str(tmp_path / f"out.{suffix}"), "--experiment", "tests"]) == 0
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    cells = [cell for row in book.active for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    assert [cell for cell in cells if str(cell.value).startswith("=cmd")]
    text = (tmp_path / "out.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert b"'=cmd" in text


def test_edited_export_changes_the_runs(tracking: MlflowClient, tmp_path: Path) -> None:
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_metric("loss", 0.5)
    file = tmp_path / "out.xlsx"
    assert command.main(["export", str(file), "--experiment", "tests"]) == 0
    book = openpyxl.load_workbook(file)
    (metric,) = [cell for cell in book.active[3] if cell.value == 0.5]
    metric.value = 0.25
    book.save(file)
    run_import(file)
    assert tracking.get_run(run.info.run_id).data.metrics == {"loss": 0.25}


def test_export_writes_over_no_file_and_of_no_experiment(
    tracking: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    assert command.main(["export", str(mine), "--experiment", "tests"]) == 2
    assert mine.read_text() == "mine"
    assert command.main(["export", str(tmp_path / "out.ods"), "--experiment", "tests"]) == 2
    assert command.main(["export", str(tmp_path / "none" / "out.csv"), "--experiment", "tests"]) == 2
    assert command.main(["export", str(tmp_path / "out.csv"), "--experiment", "none"]) == 2
    told = capsys.readouterr().err
    assert "is there already: name another one" in told
    assert "allowed: .csv, .xlsx" in told
    assert "No such file" in told
    assert sorted(path.name for path in tmp_path.glob("*out*")) == []
