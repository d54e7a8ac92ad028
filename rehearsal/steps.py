"""The steps of a rehearsal: a line when each begins, a sign of life while it works, its time when it ends."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SIGN_OF_LIFE_SECONDS = 1.5
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Step:
    """One finished step."""

    name: str
    seconds: float
    ok: bool


class Steps:
    """Runs named steps one after another and remembers how each ended."""

    def __init__(self) -> None:
        self.finished: list[Step] = []
        self._print = threading.Lock()
        self._last_line = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line of the step under way."""
        with self._print:
            print(f"    {line}", flush=True)
            self._last_line = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run the body as the step `name`; an exception marks it as failed and goes on."""
        began = time.monotonic()
        over = threading.Event()
        with self._print:
            print(f"  {name}", flush=True)
            self._last_line = began
        # A daemon: Ctrl-C may come between any two lines here, and nothing may then wait for it.
        clock = threading.Thread(target=self._show_life, args=(began, over), name="sign-of-life", daemon=True)
        ok = False
        try:
            clock.start()
            yield
            ok = True
        finally:
            over.set()
            self.finished.append(Step(name=name, seconds=round(time.monotonic() - began, 2), ok=ok))

    def _show_life(self, began: float, over: threading.Event) -> None:
        while not over.wait(POLL_SECONDS):
            if time.monotonic() - self._last_line > SIGN_OF_LIFE_SECONDS:
                self.say(f"… {time.monotonic() - began:.0f} s")
