"""Times of metrics that nobody chose: later one by one, so that two values logged at once stay two.

MLflow's server takes equal values of one metric at one step and one millisecond for one, and else calls the
larger one the latest. A script that waits for each answer never logs two within a millisecond.
"""

import time
from typing import Any

# A time so close to now was taken by MLflow just before.
NOW_MILLISECONDS = 50
# Further ahead the clock has been set back since.
AHEAD_MILLISECONDS = 60_000


class Timestamps:
    """The times given last, by run and metric: the newest, and that of each step since the clock passed it."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[int, dict[Any, int]]] = {}

    def part(self, run_id: str, metric: dict[str, Any]) -> None:
        """Make a metric's time later than that of the one before, at the same step."""
        given = int(metric.get("timestamp", 0))
        if abs(time.time() * 1000 - given) > NOW_MILLISECONDS:
            return
        key, step = (run_id, metric["key"]), metric.get("step", 0)
        newest, steps = self._last.get(key, (0, {}))
        if not given <= newest < given + AHEAD_MILLISECONDS:
            newest, steps = 0, {}
        if steps.get(step, 0) >= given:
            given = metric["timestamp"] = steps[step] + 1
        steps[step] = given
        self._last[key] = (max(newest, given), steps)

    def forget(self, run_id: str) -> None:
        """Forget a run that has ended."""
        for key in [key for key in self._last if key[0] == run_id]:
            del self._last[key]
