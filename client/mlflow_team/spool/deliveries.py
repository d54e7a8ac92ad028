"""The journals of one process that are on their way, by run."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

from mlflow.utils.workspace_context import get_request_workspace

from . import folder
from .account import Account
from .delivery import Delivery
from .identities import Identities
from .journal import Journal
from .server import Server
from .state import Header

# A run, and whether it is the journal of its artifacts: they may wait for their store alone.
Key = tuple[str, bool]


class Deliveries:
    """Shared by the script's threads, which write, and the sender's, which sends and closes.

    Attributes:
        active: runs that this process has begun or resumed, and not ended.
        account: of each of them.
    """

    def __init__(self, server: Server, identities: Identities, tracking_uri: str) -> None:
        self._server = server
        self._identities = identities
        self._uri = tracking_uri
        self._lock = threading.RLock()
        self._held: dict[Key, Delivery] = {}
        self.active: set[str] = set()
        self.account = Account()

    def __bool__(self) -> bool:
        return bool(self._held or self.active)

    @contextlib.contextmanager
    def using(
        self, run_id: str, *, artifacts: bool = False, local_id: str = "", experiment_id: str = ""
    ) -> Iterator[Journal]:
        """Yield a run's journal, which is not closed meanwhile.

        Args:
            run_id: the server's id, or a local one.
            artifacts: take the one of its artifacts.
            local_id: under which the run will be created.
            experiment_id: where.

        Raises:
            OSError: none can be made.
        """
        with self._lock:
            delivery = self._held.get((run_id, artifacts))
            if delivery is None:
                header = Header(
                    tracking_uri=self._uri,
                    workspace=get_request_workspace(),
                    run_id=run_id,
                    owner=run_id in self.active,
                    pid=os.getpid(),
                    host=socket.gethostname(),
                    begun=time.time(),
                    local_id=local_id,
                    experiment_id=experiment_id,
                    artifacts=artifacts,
                )
                delivery = Delivery(folder.create(header), self._server, self._identities)
                self._held[run_id, artifacts] = delivery
            delivery.users += 1
        try:
            yield delivery.journal
        finally:
            with self._lock:
                delivery.users -= 1

    def of(self, run_id: str) -> list[Delivery]:
        """Return those of one run."""
        with self._lock:
            return [self._held[key] for key in ((run_id, False), (run_id, True)) if key in self._held]

    def of_artifacts(self, run_id: str) -> Delivery | None:
        """Return the one of a run's artifacts, None when nothing of them was kept."""
        return self._held.get((run_id, True))

    def all(self) -> list[tuple[Key, Delivery]]:
        """Return all, oldest first."""
        with self._lock:
            return list(self._held.items())

    def waiting(self, run_id: str | None) -> int:
        """Return how many values of a run, or of all, wait and are not held up."""
        return sum(
            delivery.journal.waiting
            for (known, _), delivery in self.all()
            if run_id in (None, known) and not delivery.stuck
        )

    def release(self, key: Key) -> None:
        """Close a journal that has nothing left."""
        with self._lock:
            delivery = self._held.get(key)
            if (
                delivery is None
                or delivery.users
                or delivery.journal.waiting
                or delivery.journal.state.untold
            ):
                return
            del self._held[key]
            state = delivery.journal.state
            self.account.add(key[0], sent=state.sent, lost=state.lost)
            delivery.journal.close(remove=True)
