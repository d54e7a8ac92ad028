"""What docs/recording.md tells people to type is there, and does what it says."""

import contextlib
import io
import re
import runpy
import shlex
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from client.tests.tracking import empty_database, tracking  # noqa: F401 - fixtures
from docs.tests.markdown import fences, inline_code
from mlflow_team import command, data, switches, tags
from mlflow_team.chat import address
from mlflow_team.spool import asking, folder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recording.md").read_text()
INLINE = sorted(set(inline_code(PAGE)))
COMMANDS = [code for code in INLINE if code.startswith("mlflow-team ")]
WORDS = " ".join(INLINE)


def help_of(line: str) -> str:
    """Return what the command of this line prints about itself."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit) as end:
        command.main([*shlex.split(line)[1:], "--help"])
    assert end.value.code == 0
    return shown.getvalue()


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one_with_these_options(line: str) -> None:
    assert set(re.findall(r"--[a-z-]+", line)) <= set(re.findall(r"--[a-z-]+", help_of(line)))


def test_every_option_belongs_to_a_command_or_the_example() -> None:
    known = "".join(map(help_of, COMMANDS))
    known += "".join(path.read_text() for path in (ROOT / "client" / "examples").glob("*/*.py"))
    for code in INLINE:
        if code.startswith("--"):
            assert re.search(rf"(?<![a-z-]){code.split()[0]}(?![a-z-])", known), code


def test_every_switch_is_one_and_all_of_them_are_told() -> None:
    told = set(re.findall(r"MLFLOW_TEAM_\w+", WORDS))
    pieces = {piece.variable for piece in switches.Piece}
    others = {address.FILE, address.PARAMETER, folder.FOLDER, folder.MEGABYTES, asking.STRICT}
    assert told == {switches.ALL, *pieces, *others}


def test_every_tag_parameter_and_artifact_is_written_so() -> None:
    known = {value for name, value in vars(tags).items() if name.isupper()}
    for code in INLINE:
        if code.startswith(("mlflow_team.", "provenance/")) or re.fullmatch(r"[A-Z]+_DATA_PATH\w*", code):
            assert code in known


def test_what_a_beginner_types_runs(
    tracking: MlflowClient,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (script,) = [fence.text for fence in fences(PAGE) if fence.kind == "python"]
    (tmp_path / "work" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    Path("data/train.csv").write_text("1,2")
    Path("model.joblib").write_text("weights")
    Path("train.py").write_text(script)
    runpy.run_path("train.py", run_name="__main__")
    (run,) = tracking.search_runs([mlflow.get_experiment_by_name("tests").experiment_id])
    assert {(each.context, each.name) for each in data.of(run)} == {
        (data.INPUT, "train.csv"),
        (data.OUTPUT, "model.joblib"),
    }
    assert run.data.metrics == {"accuracy": 0.97}
    assert run.data.params[tags.INPUT_DATA_PATH].endswith("data/train.csv")
