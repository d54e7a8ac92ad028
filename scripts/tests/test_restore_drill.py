"""What the command answers to bad input, and what it prints of a comparison."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import restore_drill
from drill_names import CONTAINER, PREFIX, TAG
from scripts.tests.drill import OUTPUTS

DIFFERENT_TABLE = {"name": "metrics", "rows": 9, "changed": 0, "removed": 0, "lost": 2, "different": 1}
EQUAL_TABLE = {"name": "runs", "rows": 1234, "changed": 3, "removed": 1, "lost": 0, "different": 0}


def never(*_: object, **__: object) -> Any:
    raise AssertionError("AWS was asked")


@pytest.fixture
def run(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(restore_drill, "caller_arn", never)

    def run(*options: str, outputs: object = OUTPUTS) -> int:
        (machine / "stack.json").write_text(json.dumps(outputs))
        return restore_drill.main(["--outputs", str(machine / "stack.json"), *options])

    return run


@pytest.mark.parametrize("samples", ["0", "1001", "-1", "many", "1.5", ""])
def test_samples_out_of_range_and_wrong_outputs_are_told_together(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], samples: str
) -> None:
    outputs = {**OUTPUTS, "restoreDrill": {**OUTPUTS["restoreDrill"], "instance": "?", "subnets": []}}
    assert run(f"--samples={samples}", outputs=outputs) == 2
    said = capsys.readouterr().err
    assert "nothing was begun" in said
    assert f"--samples is {samples!r}: must be 1 to 1000" in said
    assert "restoreDrill.instance in the stack's outputs is '?'" in said
    assert "restoreDrill.subnets in the stack's outputs is []" in said


def test_outputs_that_cannot_be_read_are_refused(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restore_drill.main(["--outputs", str(machine / "missing.json")]) == 2
    assert "--outputs cannot be read" in capsys.readouterr().err


def test_an_unknown_profile_is_refused(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--profile", "nobody") == 2
    assert "nobody" in capsys.readouterr().err


def report(*tables: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    return {
        "servedAt": "2026-11-23T12:12:03+00:00",
        "tables": list(tables),
        "answers": 5,
        "artifacts": 0,
        "faults": faults,
    }


def test_a_difference_is_exit_code_1_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    begun = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
    found = report(EQUAL_TABLE, DIFFERENT_TABLE, faults=["metrics: 2 rows"])
    assert restore_drill._report(found, 252.4, begun) == 1
    said = capsys.readouterr()
    assert "DIFFERENT metrics: 2 rows" in said.err
    assert "1 differences" in said.out
    assert "RPO: the newest backup was 4 min 12 s old" in said.out
    assert "RTO: 12 min 3 s from asking RDS" in said.out
    assert "no artifact was read" in said.out


def test_no_difference_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    begun = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
    assert restore_drill._report(report(EQUAL_TABLE, faults=[]), 1, begun) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "equal"


def test_what_is_marked_is_marked_alike_in_the_stack_and_in_the_script() -> None:
    infra = Path(__file__).parents[2] / "infra"
    assert f'TAG = "{TAG}"\n' in (infra / "restore_check.py").read_text()
    containers = (infra / "containers.py").read_text()
    assert f'DRILL = "{CONTAINER}"\n' in containers
    assert f'LOG_STREAMS = "{PREFIX}"' in containers
