"""Threads beside a script, made so that a Ctrl-C at any point of the script leaves none of them stuck.

Python raises KeyboardInterrupt between any two instructions of the main thread. `threading.Event`,
`Condition` and `queue.Queue` take their lock in Python code: interrupted there it stays locked, and whoever
wants it next waits for ever. What stands here takes locks in C alone.
"""

import _thread
import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

POLL_SECONDS = 0.002
IDLE_SECONDS = 60.0
# For what is under way when a Ctrl-C comes.
GRACE_SECONDS = 1.0
Job = TypeVar("Job")
Answer = TypeVar("Answer")


def poll(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; False when the time is over before."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_SECONDS)
    return True


class Bell:
    """Wakes one thread; rung twice before somebody hears it, it is heard once."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake who waits, or else who waits next."""
        with contextlib.suppress(RuntimeError):  # it was rung already
            self._silent.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is rung; False when the time is over before."""
        return self._silent.acquire(timeout=seconds)


def undisturbed(call: Callable[[], Answer]) -> Answer:
    """Do what takes such locks: a Ctrl-C ends the wait for it, and comes at no point within.

    The chaos rehearsal has seen urllib3's pool of connections stay locked otherwise, and with it the process.
    The interrupted wait is as short as GRACE_SECONDS: what is undone afterwards should be done by then.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()  # signals are the main thread's
    answers: list[Answer] = []
    errors: list[BaseException] = []
    over, context = Bell(), contextvars.copy_context()

    def work() -> None:
        try:
            answers.append(context.run(call))
        except BaseException as error:  # noqa: BLE001 - it is raised where it was waited for
            errors.append(error)
        over.ring()

    try:
        _thread.start_new_thread(work, ())
    except RuntimeError:  # Python ends, and begins no thread any more
        return call()
    try:
        while not over.wait(IDLE_SECONDS):
            pass
    except BaseException:
        over.wait(GRACE_SECONDS)
        raise
    if errors:
        raise errors[0]
    return answers[0]


class Worker:
    """A daemon thread that begins when it is first needed, and again when it has ended."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name = name
        self._work = work
        self._working = threading.Lock()
        self._ident = 0

    @property
    def is_here(self) -> bool:
        """Tell whether this is the thread."""
        return threading.get_ident() == self._ident

    def begin(self) -> None:
        """Begin, unless it works already."""
        if not self._working.locked():
            # Not Thread.start(), which waits for an Event: this one call does it, or does not.
            _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        if self._working.acquire(blocking=False):  # else another one was quicker
            try:
                self._ident = threading.get_ident()
                threading.current_thread().name = self._name
                self._work()
            finally:
                self._working.release()


class Line(Generic[Job]):
    """Jobs that a thread does one by one, in order."""

    def __init__(self, name: str, do: Callable[[Job], None]) -> None:
        """Nothing is begun yet."""
        self.jobs: deque[Job] = deque()  # the first one is being done
        self._do = do
        self._bell = Bell()
        self._worker = Worker(name, self._work)
        self._closed = False

    @property
    def is_here(self) -> bool:
        """Tell whether its thread asks."""
        return self._worker.is_here

    def add(self, job: Job) -> None:
        """Put a job at the end."""
        self.jobs.append(job)
        self._go()

    def wait(self, seconds: float) -> bool:
        """Wait until all is done; False when the time is over before."""
        self._go()
        return poll(lambda: not self.jobs, seconds)

    def close(self) -> None:
        """End the thread once all is done."""
        self._closed = True
        self._bell.ring()

    def _go(self) -> None:
        self._worker.begin()
        self._bell.ring()

    def _work(self) -> None:
        while self.jobs or not self._closed:
            self._bell.wait(IDLE_SECONDS)
            while self.jobs:
                try:
                    self._do(self.jobs[0])
                finally:
                    self.jobs.popleft()
