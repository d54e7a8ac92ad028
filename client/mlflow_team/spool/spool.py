"""What a script logs is written down and sent behind its back; what it asks for is asked within bounds."""

import atexit
import contextlib
import json
import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_team import switches

from . import account, artifacts, folder
from .delivery import Delivery
from .identities import LOCAL, MODEL, Identities, new
from .journal import Header, Journal
from .local_answers import LocalAnswers
from .mirror import Mirror
from .reach import AWAY_SECONDS, LOOP_SECONDS, AwayError, Reach, RefusedError, innermost
from .record import (
    ARTIFACT,
    CREATE_EXPERIMENT,
    CREATE_MODEL,
    CREATE_RUN,
    LOG_METRIC,
    TWINS,
    UPDATE_RUN,
    WRITES,
    Record,
)
from .sender import Sender
from .server import Server
from .timestamps import Timestamps

if TYPE_CHECKING:
    from mlflow.store.tracking.rest_store import RestStore

LOG = logging.getLogger("mlflow_team")
STRICT = "MLFLOW_TEAM_STRICT"
# Of a foreground request, before it is tried again.
PAUSE_SECONDS = 0.25
PROGRESS_AFTER_SECONDS, PROGRESS_EVERY_SECONDS = 2.0, 10.0
# What does not look at runs, or makes new ones: nothing that was logged needs to be there first.
APART = frozenset({CREATE_EXPERIMENT, "GetExperiment", "GetExperimentByName", "SearchExperiments"})
MODEL_WRITES = frozenset({"FinalizeLoggedModel", "SetLoggedModelTags", "LogLoggedModelParamsRequest"})
# What is asked within bounds while there are runs; all else, such as traces, is MLflow's own business.
ASKED = APART | MODEL_WRITES | {
    "DeleteRun", "GetLoggedModel", "GetMetricHistory", "GetRun", "ListArtifacts", "RestoreRun",
    "SearchLoggedModels", "SearchRuns",
}  # fmt: skip
MODEL_PATH = re.compile(r"/logged-models/([^/?]+)")
TERMINATED = frozenset({"FINISHED", "FAILED", "KILLED"})

Plain = Callable[[dict[str, Any], str], Any]


class Spool:
    """What stands between MLflow's store of one tracking server and the server, in one process."""

    def __init__(self, store: "RestStore") -> None:
        self._store = store
        self.uri = store.get_host_creds().host
        self._warned = False
        self.identities = Identities(folder.chosen())
        self._begin()
        if hasattr(os, "register_at_fork"):
            # A child writes journals of its own: these, their threads and locks are the parent's.
            os.register_at_fork(after_in_child=self._begin)
        # Ahead of all exit functions: later boto3 has no threads to send with.
        getattr(threading, "_register_atexit", atexit.register)(self.drain)
        atexit.register(self._release)

    def _begin(self) -> None:
        self.reach = Reach()
        self.server = Server(self._store, self.reach)
        self.mirror = Mirror()
        self._answers = LocalAnswers(self.identities, self.mirror)
        self._lock = threading.RLock()
        self._deliveries: dict[tuple[str, bool], Delivery] = {}
        self._active: set[str] = set()
        self._doubtful: dict[str, tuple[str, str]] = {}
        self._timestamps = Timestamps()
        self._account = account.Account()
        self._sender = Sender(self.server, self._deliveries, self._lock, self._active, self._account)

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
        body, endpoint = self._resolved(body), self.identities.resolve(endpoint or "")
        if name == CREATE_RUN:
            return self._create_run(body)
        if name == CREATE_MODEL:
            return self._create_model(body)
        if name in ASKED:
            return self._ask(name, body, endpoint, plain)
        return plain(body, endpoint)

    def artifact(self, uri: str, file: Path, path: str | None, send: Callable[[], None]) -> None:
        """Send a file, or keep it; two files of one name end in the later."""
        run_id = self._run_of(uri)
        delivery = self._deliveries.get((run_id, True))
        reason = delivery.reason if delivery else ""
        if delivery is None or not delivery.journal.waiting:
            try:
                send()
            except Exception as error:
                reason = innermost(error)
                if _strict():
                    raise
            else:
                self._account.add(run_id, sent=1)
                return
        try:
            with self._using(run_id, artifacts_too=True) as delivery:
                self._keep(delivery.journal, uri, file, path, reason)
        except OSError as error:
            self._without(error)
            raise

    def _keep(self, journal: Journal, uri: str, file: Path, path: str | None, reason: str) -> None:
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

    def flush_artifacts(self, uri: str) -> None:
        """Wait until what was kept of a run's artifacts is sent, or cannot be."""
        self._flush(self._run_of(uri))

    def kept(self, uri: str) -> dict[str, Path]:
        """Return the files that are kept of a run, by their place among its artifacts."""
        delivery = self._deliveries.get((self._run_of(uri), True))
        if delivery is None:
            return {}
        found = {}
        for entry in delivery.journal.pending():
            if entry.record and entry.record.body.get("uri") == uri:
                file = delivery.journal.folder / entry.record.body["file"]
                found["/".join(filter(None, (entry.record.body.get("path"), file.name)))] = file
        return found

    def drain(self) -> None:
        """Send what is left when the script has ended, as far as the server answers."""
        self._flush(None)

    def _resolved(self, body: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(body)
        return dict(json.loads(self.identities.resolve(text))) if "local-" in text else body

    def _release(self) -> None:
        """Leave no journal that has nothing in it."""
        for key in list(self._deliveries):
            self._sender.release(key)

    def _without(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            LOG.error(
                "no journal can be written, in %s or %s: %s: what the server does not take is lost, until"
                " export %s=/a/folder/with/room",
                folder.chosen(), folder.instead(), error, folder.FOLDER,
            )  # fmt: skip

    def _write(self, name: str, body: dict[str, Any], plain: Plain) -> Any:
        run_id = body["run_id"]
        for metric in (body,) if name == LOG_METRIC else body.get("metrics", ()):
            self._timestamps.part(run_id, metric)
        record = Record(api=name, body=body)
        kind = getattr(service_pb2, name)
        if name == UPDATE_RUN and body.get("status") == "RUNNING":
            self._active.add(run_id)
        ends = name == UPDATE_RUN and body.get("status") in TERMINATED
        try:
            with self._using(run_id) as delivery:
                before = delivery.journal.state.lost
                if not delivery.journal.append(record):
                    self._warn_of_loss(run_id, delivery)
                self.mirror.write(run_id, record)
                if ends and run_id in self._doubtful:
                    self._look_for_twins(delivery.journal, run_id)
                    del self._doubtful[run_id]
        except OSError as error:
            self._without(error)
            return plain(self._resolved(body), "")
        if _strict():
            self._flush(run_id)
            if delivery.journal.state.lost > before or delivery.journal.waiting:
                why = delivery.reason or "; ".join(delivery.journal.state.why)
                raise MlflowException(f"{name} is not on the server: {why}", TEMPORARILY_UNAVAILABLE)
        if ends:
            self._end(run_id)
        if name == UPDATE_RUN:
            run = self.mirror.run(run_id)
            return kind.Response(run_info=run.info if run is not None else None)
        return kind.Response()

    def _end(self, run_id: str) -> None:
        self._flush(run_id)
        with self._lock:
            self._active.discard(run_id)
            deliveries = [self._deliveries.get((run_id, lane)) for lane in (False, True)]
        here = [delivery for delivery in deliveries if delivery]
        total = self._account.of(run_id, [delivery.journal for delivery in here])
        why: dict[str, int] = {}
        for delivery in here:
            for reason, count in delivery.journal.state.why.items():
                why[reason] = why.get(reason, 0) + count
        run = self.mirror.run(run_id)
        away = next((delivery.reason for delivery in here if delivery.reason), self.reach.reason)
        account.say(
            account.line(
                run.info.run_name if run is not None else "",
                self.identities.resolve(run_id),
                total,
                away=away,
                why=why,
            )
        )
        for lane in (False, True):
            self._sender.release((run_id, lane))
        self._account.forget(run_id)
        self._timestamps.forget(run_id)
        self._sender.work()

    def _create_run(self, body: dict[str, Any]) -> Any:
        local_id = new()
        if not LOCAL.search(json.dumps(body)):
            attempts = 0

            def create() -> Any:
                nonlocal attempts
                attempts += 1
                return self.server.create(CREATE_RUN, body, local_id, again=attempts > 1)

            with contextlib.suppress(AwayError):
                answer = self._bounded(create)
                return self._created(answer, local_id, doubtful=attempts > 1)
            if _strict() or _command_line():
                raise self._unavailable(CREATE_RUN)
        return self._create_local_run(body, local_id)

    def _created(self, answer: Any, local_id: str, *, doubtful: bool) -> Any:
        run_id = answer.run.info.run_id
        self._active.add(run_id)
        self.mirror.learn(answer.run)
        try:
            with self._using(run_id) as delivery:
                if doubtful:
                    self._doubtful[run_id] = (answer.run.info.experiment_id, local_id)
                    self._look_for_twins(delivery.journal, run_id)
        except OSError as error:
            self._without(error)
        return answer

    def _look_for_twins(self, journal: Journal, run_id: str) -> None:
        """Have what a request made that was answered too late, or not at all, taken back."""
        experiment, local_id = self._doubtful[run_id]
        body = {"run_id": run_id, "experiment_id": experiment, "local_id": local_id}
        journal.append(Record(api=TWINS, body=body))

    def _create_local_run(self, body: dict[str, Any], local_id: str) -> Any:
        answer = self._answers.run(body, local_id)
        body["run_name"] = answer.run.info.run_name
        self._active.add(local_id)
        experiment = str(body.get("experiment_id", ""))
        with self._using(local_id, local_id=local_id, experiment_id=experiment) as delivery:
            if name := self.identities.name(experiment):
                created = Record(api=CREATE_EXPERIMENT, body={"name": name}, local_id=experiment)
                delivery.journal.append(created)
            delivery.journal.append(Record(api=CREATE_RUN, body=body, local_id=local_id))
        self._doubtful[local_id] = (experiment, local_id)
        LOG.warning(
            "run %s is kept on this machine until the server is back: %s", local_id, self.reach.reason
        )
        self._sender.work()
        return answer

    def _create_model(self, body: dict[str, Any]) -> Any:
        run_id = body.get("source_run_id", "")
        local_id = new(MODEL)
        if not LOCAL.search(json.dumps(body)):
            attempts = 0

            def create() -> Any:
                nonlocal attempts
                attempts += 1
                return self.server.create(CREATE_MODEL, body, local_id, again=attempts > 1)

            with contextlib.suppress(AwayError):
                answer = self._bounded(create)
                self.mirror.learn_model(answer.model)
                return answer
        if _strict() or not run_id:
            raise self._unavailable(CREATE_MODEL)
        with self._using(run_id) as delivery:
            delivery.journal.append(Record(api=CREATE_MODEL, body=body, local_id=local_id))
        return self._answers.model(body, local_id)

    def _ask(self, name: str, body: dict[str, Any], endpoint: str, plain: Plain) -> Any:
        in_path = MODEL_PATH.search(endpoint)
        asked = body | ({"model_id": in_path[1]} if in_path else {})
        answer = self._answers.known(name, asked)
        if answer is None:
            if not self._deliveries and not self._active and name not in APART:
                return self._learned(
                    name, plain(body, endpoint)
                )  # nothing is at stake: MLflow's own patience
            if name not in APART:
                self._flush(None)
            try:
                ask = partial(self.server.once, name, body, endpoint=endpoint or None)
                return self._learned(name, self._bounded(ask))
            except AwayError:
                answer = None if _strict() or _command_line() else self._answers.instead(name, asked)
            if answer is None:
                raise self._unavailable(name)
        if name in MODEL_WRITES and (run_id := self.mirror.run_of(asked["model_id"])):
            with self._using(run_id) as delivery:
                delivery.journal.append(Record(api=name, body=body, endpoint=endpoint))
        return answer

    def _learned(self, name: str, answer: Any) -> Any:
        if name == "GetRun":
            self.mirror.learn(answer.run)
        return answer

    def _bounded(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer or the server is known to be away.

        Raises:
            AwayError: it is.
            MlflowException: it refused.
        """
        begun = time.monotonic()
        while True:
            if self.reach.away:
                with self.reach.changed:
                    self.reach.changed.wait_for(lambda: not self.reach.away, LOOP_SECONDS)
                if self.reach.away:
                    self._sender.work()
                    raise AwayError(self.reach.reason)
            try:
                return ask()
            except RefusedError as error:
                raise error.error from None
            except AwayError:
                if time.monotonic() - begun > AWAY_SECONDS:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _flush(self, run_id: str | None) -> None:
        """Wait for a run's values, or for all, while the server takes them."""
        begun = told = time.monotonic()
        if self.reach.away:
            # It may be back since it was last asked.
            self._sender.hurry(at_once=True)
            with self.reach.changed:
                self.reach.changed.wait_for(lambda: not self.reach.away, LOOP_SECONDS)
        while waiting := self._waiting(run_id):
            self._sender.hurry()
            with self.reach.changed:
                self.reach.changed.wait(LOOP_SECONDS)
            now = time.monotonic()
            every = PROGRESS_AFTER_SECONDS if sys.stderr.isatty() or told == begun else PROGRESS_EVERY_SECONDS
            if now - told >= every:
                told = now
                account.say(f"mlflow-team: {waiting:,} values left to send, {now - begun:.0f} s")

    def _waiting(self, run_id: str | None) -> int:
        if self.reach.away:
            return 0
        with self._lock:
            return sum(
                delivery.journal.waiting
                for (known, _), delivery in self._deliveries.items()
                if run_id in (None, known) and not delivery.stuck
            )

    @contextlib.contextmanager
    def _using(
        self, run_id: str, *, artifacts_too: bool = False, local_id: str = "", experiment_id: str = ""
    ) -> Iterator[Delivery]:
        """Yield a run's journal on its way, which the sender does not close meanwhile.

        Raises:
            OSError: none can be made.
        """
        with self._lock:
            delivery = self._deliveries.get((run_id, artifacts_too))
            if delivery is None:
                header = Header(
                    tracking_uri=self.uri,
                    workspace=get_request_workspace(),
                    run_id=run_id,
                    owner=run_id in self._active,
                    pid=os.getpid(),
                    host=socket.gethostname(),
                    begun=time.time(),
                    local_id=local_id,
                    experiment_id=experiment_id,
                    artifacts=artifacts_too,
                )
                delivery = Delivery(folder.create(header), self.server, self.identities)
                self._deliveries[run_id, artifacts_too] = delivery
            delivery.users += 1
        try:
            yield delivery
        finally:
            with self._lock:
                delivery.users -= 1
            self._sender.work()

    def _run_of(self, uri: str) -> str:
        subject = artifacts.subject(uri)
        run_id = self.mirror.run_of(subject) if self.mirror.model(subject) is not None else subject
        if run_id:
            return run_id
        active = mlflow.active_run()
        return active.info.run_id if active else "artifacts"

    def _warn_of_loss(self, run_id: str, delivery: Delivery) -> None:
        if not delivery.warned:
            delivery.warned = True
            LOG.error("run %s: values are being lost: %s", run_id, "; ".join(delivery.journal.state.why))

    def _unavailable(self, name: str) -> MlflowException:
        return MlflowException(
            f"{name}: the tracking server {self.uri} does not answer: {self.reach.reason}",
            TEMPORARILY_UNAVAILABLE,
        )


def _strict() -> bool:
    return os.environ.get(STRICT, "").strip().lower() not in ("", *switches.OFF)


def _command_line() -> bool:
    """Tell whether this is MLflow's command line, where a person waits for the server's own answer."""
    return "mlflow.cli" in sys.modules
