"""A canary: the journal says that it has written, and writes a second later."""

import threading

from mlflow_team.spool.journal import Journal

LATE_SECONDS = 1.0

_write_now = Journal._written  # noqa: SLF001 - what is broken here is inside


def _write_later(self: Journal, line: bytes) -> bool:
    timer = threading.Timer(LATE_SECONDS, _write_now, (self, line))
    timer.daemon = True
    timer.start()
    return True


Journal._written = _write_later  # noqa: SLF001 - same
