"""Sheets go into a real MLflow store, by the command that people type."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from client.tests.sheets import environment, kept, run_import, runs  # noqa: F401 - a fixture
from mlflow_team import command, experiments, tags
from mlflow_team.spreadsheet import importing

SHEET = """run,lr,loss,stage,what,from,to,plot
run name,parameter,metric,tag,note,start time,end time,artifact path
first,0.01,0.3,dev,a note,2026-01-01 00:00Z,2026-01-02 00:00Z,plot.png
second,0.1,,,,,,
"""


@pytest.fixture
def file(tracking: MlflowClient, tmp_path: Path) -> Path:
    (tmp_path / "plot.png").write_bytes(b"png")
    path = tmp_path / "sheet.csv"
    path.write_text(SHEET)
    return path


def test_rows_become_runs_with_all_that_they_tell(
    tracking: MlflowClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_import(file)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "2 rows, utf-8, separated by comma; reading the runs of 'tests'",
        "experiment 'tests': 2 new, 0 changed, 0 as they are",
        "2 runs written",
    ]
    found = runs(tracking)
    assert set(found) == {"first", "second"}
    first, second = found["first"], found["second"]
    assert (first.info.status, first.info.start_time, first.info.end_time) == (
        "FINISHED",
        1767225600000,
        1767312000000,
    )
    assert (first.data.params, first.data.metrics) == ({"lr": "0.01"}, {"loss": 0.3})
    assert (first.data.tags["stage"], first.data.tags["mlflow.note.content"]) == ("dev", "a note")
    assert [each.path for each in tracking.list_artifacts(first.info.run_id)] == ["plot.png"]
    # Without times it took none; what is empty is not there.
    assert (second.info.status, second.info.end_time) == ("FINISHED", second.info.start_time)
    assert (second.data.params, second.data.metrics, "stage" in second.data.tags) == (
        {"lr": "0.1"},
        {},
        False,
    )


def test_second_import_adds_nothing(
    tracking: MlflowClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_import(file)
    before = kept(tracking)
    run_import(file)
    assert "0 new, 0 changed, 2 as they are" in capsys.readouterr().out
    assert kept(tracking) == before
    assert len(tracking.get_metric_history(runs(tracking)["first"].info.run_id, "loss")) == 1


def test_changed_row_changes_its_run(tracking: MlflowClient, file: Path) -> None:
    run_import(file)
    before = {name: run.info.run_id for name, run in runs(tracking).items()}
    (file.parent / "plot.png").write_bytes(b"other")
    file.write_text(
        SHEET.replace(
            "0.3,dev,a note,2026-01-01 00:00Z,2026-01-02", "0.2,,other,2026-01-01 00:00Z,2026-01-03"
        ).replace("second,0.1,,", "second,0.1,7,prod")
    )
    run_import(file)
    found = runs(tracking)
    assert {name: run.info.run_id for name, run in found.items()} == before
    first, second = found["first"], found["second"]
    assert first.data.metrics == {"loss": 0.2}
    assert "stage" not in first.data.tags
    assert first.data.tags["mlflow.note.content"] == "other"
    assert first.info.end_time == 1767398400000
    assert (second.data.metrics, second.data.tags["stage"]) == ({"loss": 7.0}, "prod")
    place = tracking.download_artifacts(first.info.run_id, "plot.png", str(file.parent))
    assert Path(place).read_bytes() == b"other"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("first,0.01", "first,0.02", "parameter 'lr' from '0.01' to '0.02'"),
        ("first,0.01", "first,", "parameter 'lr' from '0.01' to nothing"),
        ("0.3,dev", ",dev", "metric 'loss' from 0.3 to nothing"),
        ("2026-01-01", "2025-01-01", "start time from 1767225600000 ms"),
    ],
)
def test_what_mlflow_cannot_change_is_refused_and_with_replace_made_anew(
    file: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    tracking = MlflowClient()
    run_import(file)
    before, whole = runs(tracking), kept(tracking)
    file.write_text(SHEET.replace(old, new).replace("second,0.1", "second,0.2"))
    run_import(file, code=2)
    told = capsys.readouterr().err
    assert f"row 3: MLflow cannot change {said}" in told
    assert "row 4" in told
    assert kept(tracking) == whole
    run_import(file, "--replace")
    after = runs(tracking)
    assert after["first"].info.run_id != before["first"].info.run_id
    assert len(after) == 2
    run_import(file)
    assert {name: run.info.run_id for name, run in runs(tracking).items()} == {
        name: run.info.run_id for name, run in after.items()
    }


def test_dry_run_and_faults_write_nothing(
    tracking: MlflowClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_import(file, "--dry-run")
    assert command.main(["import", str(file), "--experiment", "other", "--dry-run"]) == 0
    assert "experiment 'other' (to be made): 2 new" in capsys.readouterr().out
    assert tracking.get_experiment_by_name("other") is None
    file.write_text(SHEET.replace("0.3", "x").replace("2026-01-02", "2025-01-02"))
    run_import(file, code=2)
    told = capsys.readouterr().err
    assert "row 3, column C (loss)" in told
    assert "its end time is before its start time" in told
    assert runs(tracking) == {}
    file.write_text(SHEET)
    run_import(file)
    file.write_text(SHEET.replace("0.3", "0.4"))
    capsys.readouterr()
    run_import(file, "--dry-run")
    assert "row 3, 'first': run" in (told := capsys.readouterr().out)
    assert "metric loss" in told
    assert runs(tracking)["first"].data.metrics == {"loss": 0.3}


def test_experiment_is_made(tracking: MlflowClient, file: Path) -> None:
    assert command.main(["import", str(file), "--experiment", "new"]) == 0
    assert set(runs(tracking, "new")) == {"first", "second"}


class AwayError(RuntimeError):
    """The machine is switched off."""


@pytest.mark.parametrize("place", ["create_run", "log_batch", "log_artifact", "set_terminated"])
def test_interrupted_import_goes_on_from_there(
    tracking: MlflowClient, file: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise AwayError

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, place, fails)
        with pytest.raises(AwayError):
            run_import(file)
    run_import(file)
    found = runs(tracking)
    assert set(found) == {"first", "second"}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert found["first"].data.metrics == {"loss": 0.3}
    assert [each.path for each in tracking.list_artifacts(found["first"].info.run_id)] == ["plot.png"]


def test_server_that_fails_is_told_with_how_far_it_came(
    tracking: MlflowClient, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = MlflowClient.set_terminated

    def once(self: MlflowClient, *arguments: object) -> None:
        monkeypatch.setattr(MlflowClient, "log_batch", fails)
        before(self, *arguments)

    def fails(*_: object, **__: object) -> None:
        raise MlflowException("away")

    monkeypatch.setattr(MlflowClient, "set_terminated", once)
    run_import(file, code=1)
    told = capsys.readouterr().err
    assert "1 runs were written, then: away" in told
    assert "run it again" in told


def test_two_runs_of_one_key_are_a_fault(
    tracking: MlflowClient, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = experiments.find(tracking, "tests").experiment_id
    for _ in range(2):
        tracking.create_run(experiment, tags={tags.IMPORT_KEY: "first"})
    run_import(file, code=2)
    assert "each is 'first'; delete all but one" in capsys.readouterr().err


def test_imported_runs_are_told_nowhere_and_marked_by_no_contract(tracking: MlflowClient, file: Path) -> None:
    """A sheet may bring the tags of runs that a script made: these are none."""
    file.write_text("run,mlflow_team.command\nrun name,tag\nfirst,[]\n")
    experiment = experiments.find(tracking, "tests").experiment_id
    tracking.set_experiment_tag(experiment, tags.CONTRACT, '{"metrics": ["loss"]}')
    run_import(file)
    run = runs(tracking)["first"]
    assert run.data.tags[tags.COMMAND] == "[]"
    assert tags.CONTRACT_MISSING not in run.data.tags


def test_batches_are_what_mlflow_takes() -> None:
    entities = [
        *(Metric(f"m{number}", 1.0, 0, 0) for number in range(2500)),
        *(Param(f"p{number}", "実" * 6000) for number in range(250)),
        *(RunTag(f"t{number}", "x") for number in range(250)),
    ]
    parts = list(importing.batches(entities))
    assert [each for part in parts for kind in part for each in kind].__len__() == len(entities)
    for metrics, params, run_tags in parts:
        assert len(metrics) <= 1000
        assert len(params) <= 100
        assert len(run_tags) <= 100
        assert len(metrics) + len(params) + len(run_tags) <= 1000
        assert sum(len(str(dict(each)).encode("unicode_escape")) for each in params) < 1_000_000
