"""Data and runs from source to result, as text and as a picture."""

import xml.etree.ElementTree as ET
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_team import command, lineage, track_input, track_output


def step(name: str, used: list[Path], made: list[Path]) -> str:
    with mlflow.start_run(run_name=name) as run:
        for path in used:
            track_input(path)
        for path in made:
            if not path.exists():
                path.write_text(f"{name} made {path.name}")
            track_output(path)
    return run.info.run_id


@pytest.fixture
def chain(tracking: MlflowClient, tmp_path: Path) -> dict[str, str]:
    source, train, test, model, report = (
        tmp_path / f"{name}.csv" for name in ("source", "train", "test", "model", "report")
    )
    source.write_text("source")
    (tmp_path / "stray.csv").write_text("nothing to do with it")
    runs = {"preprocess": step("preprocess", [source], [train, test])}
    mlflow.set_experiment("another")
    runs["train"] = step("train", [train], [model])
    runs["evaluate"] = step("evaluate", [test, model], [report])
    runs["stray"] = step("stray", [tmp_path / "stray.csv"], [])
    return runs


@pytest.mark.parametrize("begin", ["preprocess", "train", "evaluate"])
def test_whole_chain_is_found_from_each_of_its_runs(
    chain: dict[str, str], begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["lineage", chain[begin]]) == 0
    lines = capsys.readouterr().out.splitlines()
    shapes = [(line.index(line.lstrip("│├└─ ")), line.lstrip("│├└─ ").split()[0]) for line in lines]
    trains = [(6, "train.csv"), (9, "[train]"), (12, "model.csv"), (15, "[evaluate]"), (18, "report.csv")]
    tests = [(6, "test.csv"), (9, "[evaluate]")]
    assert shapes in (
        [(0, "source.csv"), (3, "[preprocess]"), *trains, *tests],
        [(0, "source.csv"), (3, "[preprocess]"), *tests, (12, "report.csv"), *trains[:4]],
    )
    (marked,) = [line for line in lines if "asked for" in line]
    assert chain[begin] in marked
    assert chain["stray"] not in "".join(lines)


def test_picture_names_every_run_and_all_data(
    chain: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["lineage", chain["train"], "--picture", str(tmp_path / "chain.svg")]) == 0
    ET.parse(tmp_path / "chain.svg")  # noqa: S314 - our own
    drawn = (tmp_path / "chain.svg").read_text()
    for name in ("source.csv", "preprocess", "train.csv", "test.csv", "model.csv", "evaluate", "report.csv"):
        assert f"<!-- {name}" in drawn, name
    assert "stray" not in drawn


def test_run_that_there_is_none_of_and_a_picture_of_no_kind_are_refused(
    chain: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["lineage", "nothing"]) == 2
    assert "RUN is 'nothing'" in capsys.readouterr().err
    assert command.main(["lineage", chain["train"], "--picture", str(tmp_path / "x.gif")]) == 2
    assert ".svg, .png, .pdf" in capsys.readouterr().err


def test_circle_ends(tracking: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    begin = step("there", [one], [two])
    step("back", [two], [one])
    assert command.main(["lineage", begin, "--picture", str(tmp_path / "c.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "[there]" in lines[0]
    assert (tmp_path / "c.png").stat().st_size > 0


def test_run_without_data_stands_alone(tracking: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    with mlflow.start_run(run_name="alone") as run:
        pass
    assert command.main(["lineage", run.info.run_id]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"[alone] {run.info.run_id}")


def test_too_many_runs_are_cut_and_said(
    chain: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "MOST_RUNS", 2)
    assert command.main(["lineage", chain["train"]]) == 0
    assert "more than 2 runs" in capsys.readouterr().out
