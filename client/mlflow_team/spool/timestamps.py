"""Times of metrics that nobody chose: later one by one, so that two values logged at once stay two.

MLflow's server takes equal values of one metric at one step and one millisecond for one, and else calls the
larger one the latest. A script that waits for each answer never logs two within a millisecond.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

# A time so close to now was taken by MLflow just before, on a machine that may have stood still meanwhile.
NOW_MILLISECONDS = 2_000
# Further apart the clock has been set since, or nothing was logged for long.
APART_MILLISECONDS = 60_000
# Stretches of the clock that are remembered: it may be set back into any of them.
STRETCHES = 8


@dataclass
class _Given:
    """The times given to a metric.

    Attributes:
        newest: of each stretch of the clock, the present one last.
        floor: no step has a later time that is not in `steps`.
        steps: each step's last time, since the clock passed the floor.
    """

    newest: deque[int] = field(default_factory=lambda: deque([0], STRETCHES))
    floor: int = 0
    steps: dict[Any, int] = field(default_factory=dict)


class Timestamps:
    """The times given last, by run and metric."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], _Given] = {}

    def part(self, run_id: str, metric: dict[str, Any]) -> None:
        """Make a metric's time later than that of the one before, at the same step."""
        now = int(metric.get("timestamp", 0))
        if abs(time.time() * 1000 - now) > NOW_MILLISECONDS:
            return
        given, step = self._given.setdefault((run_id, metric["key"]), _Given()), metric.get("step", 0)
        newest = given.newest[-1]
        if abs(now - newest) > APART_MILLISECONDS:
            given.newest.append(0)
            given.floor, given.steps = 0, {}
        elif now > newest:
            given.floor, given.steps = newest, {}
        *before, newest = given.newest
        taken = (given.steps.get(step, 0), given.floor, *before)
        last = max((each for each in taken if each < now + APART_MILLISECONDS), default=0)
        if last >= now:
            now = metric["timestamp"] = last + 1
        given.steps[step] = now
        given.newest[-1] = max(newest, now)

    def forget(self, run_id: str) -> None:
        """Forget a run that has ended."""
        for key in [key for key in self._given if key[0] == run_id]:
            del self._given[key]
