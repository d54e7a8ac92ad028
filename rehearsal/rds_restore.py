"""What RDS does with a restore: makes the copy, opens its door, and takes it away when it is deleted."""

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Self

from rehearsal.backups import Backups, RestoredPostgres
from rehearsal.database import DatabaseFront
from rehearsal.emulator import REGION
from rehearsal.processes import listening_socket
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import DatabaseAddress
from rehearsal.stack import RehearsedStack

# RDS brings its backups forward every five minutes.
POLL_SECONDS = 0.5
Damage = Callable[[RestoredPostgres], None]


class RdsRestore:
    """Plays it for a running stack while the context is open.

    Attributes:
        copies: the Postgres of each copy, by the instance's name.
        damage: called with each copy before it is available; for canaries.
        hold: while it is set, no copy becomes available.
        failures: what went wrong here, which no drill could know.
    """

    def __init__(self, stack: RehearsedStack) -> None:
        self._stack = stack
        self._rds = stack.emulator.client("rds")
        self._tls = ssl.create_default_context(cafile=str(stack.emulator.ca_bundle))
        self._running = ExitStack()
        self._doors: dict[str, ExitStack] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._play, name="rds", daemon=True)
        self.copies: dict[str, RestoredPostgres] = {}
        self.damage: Damage = lambda _: None
        self.hold = threading.Event()
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._backups = self._running.enter_context(Backups(self._stack.postgres))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for name in list(self.copies):
            self._close(name)
        self._running.close()

    def _play(self) -> None:
        while not self._end.wait(POLL_SECONDS):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, a drill waits in vain and the test says why
                self.failures.append(f"{type(error).__name__}: {error}")
                return

    def _look(self) -> None:
        instances = {
            one["DBInstanceIdentifier"]: one for one in self._rds.describe_db_instances()["DBInstances"]
        }
        for name in self.copies.keys() - instances.keys():
            self._close(name)
        for name, instance in instances.items():
            restored = self.tell(name, {})["restored"]
            if restored is None:
                if name == self._stack.database_instance()["identifier"]:
                    at = self._backups.advance()
                    self.tell(name, {"LatestRestorableTime": at.isoformat(timespec="seconds")})
            elif name not in self.copies:
                self._open(instance, datetime.fromisoformat(restored["to"]))
            elif instance["DBInstanceStatus"] == "creating" and not self.hold.is_set():
                self.tell(name, {"DBInstanceStatus": "available"})

    def _open(self, instance: dict[str, Any], to: datetime) -> None:
        """Make a copy of that time, behind the same login as the original."""
        name, stack = instance["DBInstanceIdentifier"], self._stack
        door = self._doors[name] = ExitStack()
        listener = door.enter_context(listening_socket())
        host, port = stack.database_instance()["address"], listener.getsockname()[1]
        copy = door.enter_context(
            RestoredPostgres(
                self._backups, to, data_parent=stack.postgres.folder.parent, master=stack.postgres.master,
                database=stack.postgres.database,
            )
        )  # fmt: skip
        self.damage(copy)
        login = RdsLogin(
            postgres=copy,
            address=DatabaseAddress(host=host, port=port, region=REGION),
            master_password="",
            secret_of=stack.roles.secret_of,
            authorize=lambda key, user: (
                bool(instance["IAMDatabaseAuthenticationEnabled"])
                and stack.roles.may_connect(key, instance["DbiResourceId"], user)
            ),
        )
        certificate = stack.authority.issue(f"database-{port}", host)
        door.enter_context(DatabaseFront(login, certificate, listener))
        self.copies[name] = copy
        self.tell(name, {"Endpoint": {"Address": host, "Port": port}})

    def _close(self, name: str) -> None:
        self.copies.pop(name, None)
        self._doors.pop(name).close()

    def tell(self, name: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Say how an instance is, and learn of what it is a copy; of none when somebody has deleted it."""
        request = urllib.request.Request(
            f"{self._stack.emulator.url}/_rehearsal/instances/{name}",
            data=json.dumps(changes).encode(),
            method="PUT",
        )
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=10) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
