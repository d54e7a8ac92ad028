"""What a run starts in is told for each kind of program, and nothing of it fails the start."""

import json
import sys
from pathlib import Path

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from client.tests.test_source_code import checkout, git  # noqa: F401 - a fixture
from mlflow_team import provenance, tags
from mlflow_team.provenance import LONGEST_TAG, Provenance


def test_arguments_too_many_for_a_tag_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", *(f"{n:05}.csv" for n in range(2000))])
    told = Provenance().tags()[tags.COMMAND]
    assert len(told) <= LONGEST_TAG
    assert (json.loads(told)[0], json.loads(told)[-1]) == ("train.py", provenance.CUT)


def test_removed_working_directory_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    found = Provenance().tags()
    assert tags.COMMAND in found
    assert tags.WORKING_DIRECTORY not in found


@pytest.mark.parametrize("program", ["a script elsewhere", "installed", "notebook"])
def test_program_outside_a_checkout_has_that_of_where_it_runs(
    checkout: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
) -> None:
    files = {
        "a script elsewhere": str(tmp_path / "t.py"),
        "installed": sys.prefix + "/bin/pytest",
        "notebook": None,
    }
    monkeypatch.setattr(sys.modules["__main__"], "__file__", files[program], raising=False)
    monkeypatch.chdir(checkout / "src")
    found = Provenance().tags()
    assert found[MLFLOW_GIT_COMMIT] == git(checkout, "rev-parse", "HEAD").strip()
    assert found[tags.WORKING_DIRECTORY] == "src"
