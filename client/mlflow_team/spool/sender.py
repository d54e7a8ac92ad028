"""The thread that sends: each journal in order, none behind another that is stuck."""

import contextlib
import time

from mlflow_team.background import Bell, Worker

from . import heartbeat
from .deliveries import Deliveries, Key
from .delivery import Delivery
from .reach import AwayError, RefusedError
from .server import Server

# A value waits so long for others to go with it; whoever reads or ends a run hurries it.
LINGER_SECONDS = 0.5
# How often a server that is away is asked when there is nothing to send to it.
PROBE_SECONDS = 5.0


class Sender:
    """Started with the first value; a daemon, since what it has not sent is on the disk."""

    def __init__(self, server: Server, deliveries: Deliveries) -> None:
        self._server = server
        self._reach = server.reach
        self._deliveries = deliveries
        self._worker = Worker("mlflow-team-spool", self._run)
        self._work = Bell()
        self._hurry = Bell()
        self._beat_at = 0.0

    def work(self) -> None:
        """Tell it that there is something to send."""
        self._worker.begin()
        self._work.ring()

    def hurry(self, *, at_once: bool = False) -> None:
        """Let it send what waits; `at_once` even to a server that it would leave alone for a while."""
        if at_once:
            for _, delivery in self._deliveries.all():
                delivery.not_before = 0.0
        self._hurry.ring()
        self.work()

    def _run(self) -> None:
        while True:
            self._work.wait(self._idle())
            self._hurry.wait(LINGER_SECONDS)
            while (pause := self._round()) is not None:
                self._hurry.wait(pause)

    def _idle(self) -> float:
        return PROBE_SECONDS if self._reach.failing else heartbeat.SECONDS

    def _round(self) -> float | None:
        """Send what can be sent; return how long to wait with the rest, None when there is none."""
        again = None
        for key, delivery in self._deliveries.all():
            now = time.monotonic()
            if delivery.not_before > now:
                wait = delivery.not_before - now
            else:
                while delivery.step():
                    pass
                wait = max(0.0, delivery.not_before - time.monotonic()) if delivery.journal.waiting else None
                if self._reach.failing:
                    delivery.journal.to_disk()
            if wait is not None:
                again = wait if again is None else min(again, wait)
            self._settle(key, delivery)
        if again is None and self._reach.failing:
            with contextlib.suppress(AwayError, RefusedError):
                self._server.once("SearchExperiments", {"max_results": 1})
        self._beat()
        return again

    def _settle(self, key: Key, delivery: Delivery) -> None:
        """Close a journal that has nothing left, once its run is over; tell the run what it lacks."""
        run_id, artifacts = key
        journal = delivery.journal
        if not self._reach.failing and (journal.state.untold or journal.state.marked or artifacts):
            over = run_id not in self._deliveries.active
            delivery.mark(spooled=journal.waiting if artifacts and over else 0)
        if run_id not in self._deliveries.active:
            self._deliveries.release(key)

    def _beat(self) -> None:
        if not heartbeat.on() or time.monotonic() < self._beat_at or self._reach.failing:
            return
        self._beat_at = time.monotonic() + heartbeat.SECONDS
        for (run_id, artifacts), delivery in self._deliveries.all():
            if run_id in self._deliveries.active and not artifacts:
                with contextlib.suppress(AwayError):
                    delivery.beat(heartbeat.SECONDS)
