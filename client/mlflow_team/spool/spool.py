"""What a script logs is written down and sent behind its back; what it asks is asked within bounds."""

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from . import account, artifacts, folder
from .asking import ASKED, Asking, Plain, strict, without
from .deliveries import Deliveries
from .identities import Identities
from .journal import Journal
from .mirror import Mirror
from .reach import AwayError, Reach, innermost
from .record import ARTIFACT, LOG_METRIC, UPDATE_RUN, WRITES, Record
from .sender import Sender
from .server import Server
from .timestamps import Timestamps

if TYPE_CHECKING:
    from mlflow.store.tracking.rest_store import RestStore

LOG = logging.getLogger("mlflow_team")
TERMINATED = frozenset({"FINISHED", "FAILED", "KILLED"})


class Spool:
    """Stands between MLflow's store of one tracking server and the server, in one process."""

    def __init__(self, store: "RestStore") -> None:
        self._store = store
        self.uri = store.get_host_creds().host
        self._identities = Identities(folder.chosen())
        self._begin()
        if hasattr(os, "register_at_fork"):
            # A child writes journals of its own: these, their threads and locks are the parent's.
            os.register_at_fork(after_in_child=self._begin)
        # Ahead of all exit functions: later boto3 has no threads to send with.
        getattr(threading, "_register_atexit", atexit.register)(lambda: self._asking.flush(None))
        atexit.register(self._release)

    def _begin(self) -> None:
        self._reach = Reach()
        server, self._mirror = Server(self._store, self._reach), Mirror()
        self._deliveries = Deliveries(server, self._identities, self.uri)
        self._sender = Sender(server, self._deliveries)
        self._asking = Asking(server, self._identities, self._mirror, self._deliveries, self._sender)
        self._timestamps = Timestamps()
        self._losing: set[str] = set()

    def call(self, name: str, body: dict[str, Any], endpoint: str | None, plain: Plain) -> Any:
        """Answer a call of MLflow's.

        Args:
            name: as MLflow names it, such as `LogBatch`.
            body: what MLflow would send.
            endpoint: where it would send it, when the ids stand in the path.
            plain: does what MLflow would do, with that body and endpoint.

        Raises:
            MlflowException: the server refused what the script waits for, or is away and nobody else can
                answer; with `MLFLOW_TEAM_STRICT=on` also when it did not take what was logged.
        """
        if name in WRITES and body.get("run_id"):
            return self._write(name, body, plain)
        body, endpoint = self._resolved(body), self._identities.resolve(endpoint or "")
        return self._asking.ask(name, body, endpoint, plain) if name in ASKED else plain(body, endpoint)

    def artifact(
        self, uri: str, file: Path, path: str | None, send: Callable[[], None], *, proxied: bool
    ) -> None:
        """Send a file, or keep it; two files of one name end in the later.

        Args:
            uri: the artifact root of its run or logged model.
            file: what to send.
            path: the folder below the root.
            send: does what MLflow would do.
            proxied: through the tracking server.

        Raises:
            Exception: what MLflow would raise, in strict mode or when it cannot be kept either.
        """
        run_id = self._run_of(uri)
        before = self._deliveries.of_artifacts(run_id)
        failed: Exception | None = None
        if proxied and self._reach.away:
            failed = AwayError(self._reach.reason)  # which MLflow would find out for minutes
        elif before is None or not before.journal.waiting:
            try:
                send()
            except Exception as error:
                if strict():
                    raise
                failed = error
            else:
                self._deliveries.account.add(run_id, sent=1)
                return
        reason = innermost(failed) if failed else before.reason if before else ""
        try:
            with self._deliveries.using(run_id, artifacts=True) as journal:
                _keep(journal, uri, file, path, reason)
        except OSError as error:
            without(error)
            raise failed or error from None
        self._sender.work()

    def flush_artifacts(self, uri: str) -> None:
        """Wait until what was kept of a run's artifacts is sent, or cannot be."""
        self._asking.flush(self._run_of(uri))

    def kept(self, uri: str) -> dict[str, Path]:
        """Return the files that are kept of a run, by their place among its artifacts."""
        delivery = self._deliveries.of_artifacts(self._run_of(uri))
        found: dict[str, Path] = {}
        for entry in delivery.journal.pending() if delivery else ():
            if delivery and entry.record and entry.record.body.get("uri") == uri:
                file = delivery.journal.folder / entry.record.body["file"]
                found["/".join(filter(None, (entry.record.body.get("path"), file.name)))] = file
        return found

    def _resolved(self, body: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(body)
        return dict(json.loads(self._identities.resolve(text))) if "local-" in text else body

    def _release(self) -> None:
        """Leave no journal that has nothing in it."""
        for key, _ in self._deliveries.all():
            self._deliveries.release(key)

    def _write(self, name: str, body: dict[str, Any], plain: Plain) -> Any:
        run_id, status = body["run_id"], body.get("status") if name == UPDATE_RUN else None
        if status == "RUNNING":
            self._deliveries.active.add(run_id)
        try:
            with self._deliveries.using(run_id) as journal:
                for metric in (body,) if name == LOG_METRIC else body.get("metrics", ()):
                    self._timestamps.part(run_id, metric)
                record, before = Record(api=name, body=body), journal.state.lost
                if not journal.append(record) and run_id not in self._losing:
                    self._losing.add(run_id)
                    LOG.error("run %s: values are being lost: %s", run_id, "; ".join(journal.state.why))
                self._mirror.write(run_id, record)
                if status in TERMINATED:
                    self._asking.look_for_twins(run_id, journal)
        except OSError as error:
            without(error)
            return plain(self._resolved(body), "")
        self._sender.work()
        if strict():
            self._make_sure(name, run_id, journal, before)
        if status in TERMINATED:
            self._end(run_id)
        kind = getattr(service_pb2, name)
        if name == UPDATE_RUN and (run := self._mirror.run(run_id)) is not None:
            return kind.Response(run_info=run.info)
        return kind.Response()

    def _make_sure(self, name: str, run_id: str, journal: Journal, before: int) -> None:
        self._asking.flush(run_id)
        if journal.state.lost > before or journal.waiting:
            reasons = [each.reason for each in self._deliveries.of(run_id) if each.reason]
            why = "; ".join(reasons or journal.state.why)
            raise MlflowException(f"{name} is not on the server: {why}", TEMPORARILY_UNAVAILABLE)

    def _end(self, run_id: str) -> None:
        self._asking.flush(run_id)
        here = self._deliveries.of(run_id)
        self._deliveries.active.discard(run_id)
        total, why = self._deliveries.account.of(run_id, [delivery.journal for delivery in here])
        run = self._mirror.run(run_id)
        account.say(
            account.line(
                run.info.run_name if run is not None else "",
                self._identities.resolve(run_id),
                total,
                why,
                away=next((delivery.reason for delivery in here if delivery.reason), self._reach.reason),
            )
        )
        for artifacts_too in (False, True):
            self._deliveries.release((run_id, artifacts_too))
        self._deliveries.account.forget(run_id)
        self._timestamps.forget(run_id)
        self._sender.work()

    def _run_of(self, uri: str) -> str:
        subject = artifacts.subject(uri)
        if run_id := self._mirror.run_of(subject) or subject:
            return run_id
        active = mlflow.active_run()
        return active.info.run_id if active else "artifacts"


def _keep(journal: Journal, uri: str, file: Path, path: str | None, reason: str) -> None:
    try:
        kept = journal.keep(file)
    except OSError as error:
        LOG.error("%s is lost: %s; %s", file, reason, error)  # noqa: TRY400 - one line
        journal.lose(1, f"artifact: {error}")
        return
    if not journal.waiting:  # the first tells for all
        LOG.warning("%s and what follows wait on this machine: %s", file.name, reason)
    body = {"uri": uri, "file": kept, **({"path": path} if path else {})}
    journal.append(Record(api=ARTIFACT, body=body))
