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
    """The last time given, by run and metric."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[Any, int]] = {}

    def part(self, run_id: str, metric: dict[str, Any]) -> None:
        """Make a metric's time later than that of the one before, at the same step."""
        given = int(metric.get("timestamp", 0))
        if abs(time.time() * 1000 - given) > NOW_MILLISECONDS:
            return
        key, step = (run_id, metric["key"]), metric.get("step", 0)
        known, last = self._last.get(key, (None, 0))
        if known == step and given <= last < given + AHEAD_MILLISECONDS:
            given = metric["timestamp"] = last + 1
        self._last[key] = (step, given)

    def forget(self, run_id: str) -> None:
        """Forget a run that has ended."""
        for key in [key for key in self._last if key[0] == run_id]:
            del self._last[key]
