"""What the command answers to bad input, and what it does when it is interrupted or fails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import restore_drill
from drill.instance import DrillError
from drill.names import CONTAINER, TAG
from ecs_task import STREAMS
from restore_drill import Drill
from scripts.tests.drill.names import NAMES, OUTPUTS


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


class Account:
    """A drill whose comparison and removal a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compare = Mock(return_value=True)
        self.remains = Mock(**{"remove.return_value": [], "told.return_value": "left: a copy"})
        monkeypatch.setattr(Drill, "_compare", self.compare)
        session: Any = Mock()
        self.drill = Drill(session, NAMES, "arn:aws:iam::111122223333:user/hedy")
        self.drill._remains = self.remains


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


@pytest.mark.parametrize(("equal", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_all_was_equal(account: Account, *, equal: bool, code: int) -> None:
    account.compare.return_value = equal
    assert account.drill.run(20) == code
    assert len(account.remains.remove.mock_calls) == 2  # what others left, then what this one made


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DrillError("no copy came"), 1, "the drill failed: no copy came"),
        (KeyboardInterrupt(), 130, "interrupted; removing what it made"),
    ],
)
def test_a_drill_that_does_not_come_to_its_end_removes_what_it_made(
    account: Account, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    account.compare.side_effect = error
    assert account.drill.run(20) == code
    assert len(account.remains.remove.mock_calls) == 2
    assert said in capsys.readouterr().err


def test_what_nobody_thought_of_leaves_nothing_either(account: Account) -> None:
    account.compare.side_effect = KeyError("Endpoint")
    with pytest.raises(KeyError):
        account.drill.run(20)
    assert len(account.remains.remove.mock_calls) == 2


@pytest.mark.parametrize(
    ("second", "code", "said"),
    [
        (["RDS will not"], 1, "RDS will not\nleft: a copy"),
        (KeyboardInterrupt(), 130, "interrupted while removing what drills made\nleft: a copy"),
    ],
)
def test_a_removal_that_does_not_come_to_its_end_says_what_is_left(
    account: Account, capsys: pytest.CaptureFixture[str], second: Any, code: int, said: str
) -> None:
    account.remains.remove.side_effect = [[], second]
    assert account.drill.run(20) == code
    assert said in capsys.readouterr().err


def test_what_an_earlier_drill_left_and_nobody_can_remove_stops_the_next(account: Account) -> None:
    account.remains.remove.return_value = ["RDS will not"]
    assert account.drill.run(20) == 1
    account.compare.assert_not_called()


def test_what_is_marked_is_marked_alike_in_the_stack_and_in_the_script() -> None:
    infra = Path(__file__).parents[2] / "infra"
    assert f'TAG = "{TAG}"\n' in (infra / "restore_check.py").read_text()
    containers = (infra / "containers.py").read_text()
    assert f'DRILL = "{CONTAINER}"\n' in containers
    assert f'LOG_STREAMS = "{STREAMS}"' in containers
