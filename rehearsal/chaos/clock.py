"""A clock that is set while a process runs: what `time.time` says jumps, what counts seconds goes on."""

import os
import time
from collections.abc import Sequence


def step(steps: Sequence[tuple[int, float]], ledger: str) -> None:
    """Set this process's clock, again and again.

    Args:
        steps: seconds by which it then differs from the machine's, each from so many bytes of the ledger on.
        ledger: path of the file whose bytes are counted.
    """
    true_time, true_nanoseconds = time.time, time.time_ns

    def off_by() -> float:
        try:
            size = os.stat(ledger).st_size  # noqa: PTH116 - at every look at the clock
        except OSError:
            size = 0
        return ([0.0] + [seconds for after, seconds in steps if size >= after])[-1]

    time.time = lambda: true_time() + off_by()
    time.time_ns = lambda: true_nanoseconds() + int(off_by() * 1e9)
