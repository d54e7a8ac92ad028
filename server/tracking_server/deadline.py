"""One limit for a whole program, whatever it waits for, with the step at which it ran out."""

import os
import sys
import threading
from typing import Self

from .errors import StartError


class Deadline:
    """Says each step, and ends the process in the middle of one when the time is up.

    No exception could do that: libpq is not interrupted by one, and boto3 and MLflow catch what they do not
    know. So the program must bear being cut off anywhere.
    """

    def __init__(self, seconds: float, program: str) -> None:
        self._seconds = seconds
        self._program = program
        self._step = "starting"
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def say(self, step: str) -> None:
        """Say on stdout what is done now."""
        self._step = step
        print(f"{self._program}: {step}", flush=True)

    def _end(self) -> None:
        reason = f"gave up after {self._seconds:.0f} s at this step: {self._step}"
        print(f"{self._program}: {reason}", file=sys.stderr, flush=True)
        os._exit(StartError.exit_code)
