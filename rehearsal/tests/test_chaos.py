"""The chaos rehearsal, short: every fault once, and the broken client that it must notice."""

from pathlib import Path

import pytest

from rehearsal.chaos.__main__ import run
from rehearsal.chaos.plan import LABELS, NOTHING, Death, Plan
from rehearsal.stack import RehearsedStack

pytestmark = pytest.mark.rehearsal

SEED, KILLING = 6, 5


def test_no_value_is_lost_uncounted_or_doubled_whatever_fails(
    running: RehearsedStack, tmp_path: Path
) -> None:
    outcomes, stopped = run(running, tmp_path / "chaos", list(Plan(SEED).short()))
    assert not stopped
    assert {outcome.trial.label for outcome in outcomes} == set(LABELS)
    assert {outcome.trial.death for outcome in outcomes} == set(Death)
    assert [(each.trial.name, each.violations) for each in outcomes if each.violations] == []
    assert sum(outcome.sent for outcome in outcomes) > 100 * len(outcomes) / 2


def test_client_that_acknowledges_before_it_writes_is_noticed(
    running: RehearsedStack, tmp_path: Path
) -> None:
    planned = Plan(KILLING).round(1, None, [NOTHING] * 2)
    assert Death.SIGKILL in {trial.death for trial in planned.trials}
    outcomes, _ = run(running, tmp_path / "canary", [planned], canary="acknowledge-before-writing")
    violations = [each for o in outcomes if o.trial.death is Death.SIGKILL for each in o.violations]
    assert any("logged values are not on the server, 0 counted as lost" in each for each in violations)
