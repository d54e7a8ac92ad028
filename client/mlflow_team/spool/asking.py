"""What a script waits for: asked within bounds, and answered here when the server is away."""

import contextlib
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from mlflow_team import switches
from mlflow_team.background import poll

from . import account, folder
from .deliveries import Deliveries
from .identities import LOCAL, MODEL, Identities, new
from .journal import Journal
from .local_answers import LocalAnswers
from .mirror import Mirror
from .reach import AWAY_SECONDS, LOOP_SECONDS, AwayError, RefusedError
from .record import CREATE_EXPERIMENT, CREATE_MODEL, CREATE_RUN, Record, twins
from .sender import Sender
from .server import Server

LOG = logging.getLogger("mlflow_team")
STRICT = "MLFLOW_TEAM_STRICT"
# Between two tries of a request for which the script waits.
PAUSE_SECONDS = 0.25
PROGRESS_AFTER_SECONDS, PROGRESS_EVERY_SECONDS = 2.0, 10.0
# What a script asks before its run, which can begin without an answer.
BEFORE_A_RUN = frozenset({CREATE_EXPERIMENT, "GetExperiment", "GetExperimentByName"})
# What does not look at runs: nothing that was logged needs to be there first.
APART = BEFORE_A_RUN | {"SearchExperiments"}
MODEL_WRITES = frozenset({"FinalizeLoggedModel", "SetLoggedModelTags", "LogLoggedModelParamsRequest"})
# All else, such as traces, is MLflow's own business.
ASKED = APART | MODEL_WRITES | {
    CREATE_RUN, CREATE_MODEL, "DeleteRun", "GetLoggedModel", "GetMetricHistory", "GetRun", "ListArtifacts",
    "RestoreRun", "SearchLoggedModels", "SearchRuns",
}  # fmt: skip
MODEL_PATH = re.compile(r"/logged-models/([^/?]+)")

Plain = Callable[[dict[str, Any], str], Any]


class Asking:
    """Asks the server for one process."""

    def __init__(
        self, server: Server, identities: Identities, mirror: Mirror, deliveries: Deliveries, sender: Sender
    ) -> None:
        self._server = server
        self._reach = server.reach
        self._identities = identities
        self._mirror = mirror
        self._answers = LocalAnswers(identities, mirror)
        self._deliveries = deliveries
        self._sender = sender
        self._doubtful: dict[str, tuple[str, str]] = {}

    def ask(self, name: str, body: dict[str, Any], endpoint: str, plain: Plain) -> Any:
        """Return an answer, whoever can give it.

        Args:
            name: one of `ASKED`.
            body: what MLflow would send.
            endpoint: where it would send it, when the ids stand in the path.
            plain: does what MLflow would do.

        Raises:
            MlflowException: the server refused, or is away and nobody else can answer.
        """
        if name == CREATE_RUN:
            return self._create_run(body)
        if name == CREATE_MODEL:
            return self._create_model(body)
        in_path = MODEL_PATH.search(endpoint)
        asked = body | ({"model_id": in_path[1]} if in_path else {})
        answer = self._answers.known(name, asked)
        if answer is None:
            if not self._deliveries and name not in BEFORE_A_RUN:
                return self._learned(
                    name, plain(body, endpoint)
                )  # nothing is at stake: MLflow's own patience
            if name not in APART:
                self.flush(None)
            try:
                once = partial(self._server.once, name, body, endpoint=endpoint or None)
                return self._learned(name, self._bounded(once))
            except AwayError:
                answer = None if _waits_for_the_server() else self._answers.instead(name, asked)
            if answer is None:
                raise self._unavailable(name)
        if name in MODEL_WRITES and (run_id := self._mirror.run_of(asked["model_id"])):
            with self._deliveries.using(run_id) as journal:
                journal.append(Record(api=name, body=body, endpoint=endpoint))
        return answer

    def flush(self, run_id: str | None) -> None:
        """Wait for a run's values, or for all, while the server takes them."""
        begun = told = time.monotonic()
        if self._reach.away:
            # It may be back since it was last asked.
            self._sender.hurry(at_once=True)
            self._reach.wait(LOOP_SECONDS)
        while not self._reach.away and (waiting := self._deliveries.waiting(run_id)):
            self._sender.hurry()
            poll(lambda: self._reach.away or not self._deliveries.waiting(run_id), LOOP_SECONDS)
            now = time.monotonic()
            every = PROGRESS_AFTER_SECONDS if sys.stderr.isatty() or told == begun else PROGRESS_EVERY_SECONDS
            if now - told >= every:
                told = now
                account.say(f"mlflow-team: {waiting:,} values left to send, {now - begun:.0f} s")

    def look_for_twins(self, run_id: str, journal: Journal) -> None:
        """Have what a request made that was answered too late, or not at all, taken back."""
        if run_id in self._doubtful:
            journal.append(twins(run_id, *self._doubtful[run_id]))

    def _create_run(self, body: dict[str, Any]) -> Any:
        local_id, experiment = new(), str(body.get("experiment_id", ""))
        self._deliveries.active.add(local_id)
        try:
            # Before anybody is asked: whoever dies meanwhile leaves word of what may have been made.
            with self._deliveries.using(local_id, local_id=local_id, experiment_id=experiment) as journal:
                answer = self._create_noted_run(body, local_id, journal)
                if answer is None:
                    return self._create_local_run(body, local_id, journal)
        except OSError as error:
            without(error)
            answer, _ = self._created(CREATE_RUN, body, local_id)
            if answer is None:
                raise self._unavailable(CREATE_RUN) from error
        finally:
            if local_id not in self._doubtful:
                self._deliveries.active.discard(local_id)
                self._deliveries.release((local_id, False))
            self._sender.work()
        return answer

    def _create_noted_run(self, body: dict[str, Any], local_id: str, journal: Journal) -> Any:
        """Return the server's answer, None when it is away."""
        experiment, answer = str(body.get("experiment_id", "")), None
        try:
            answer, attempts = self._created(CREATE_RUN, body, local_id)
            if answer is None:
                return None
            run_id = answer.run.info.run_id
            self._deliveries.active.add(run_id)
            self._mirror.learn(answer.run)
            if attempts > 1:
                self._doubtful[run_id] = (answer.run.info.experiment_id, local_id)
            with self._deliveries.using(run_id) as of_run:
                self.look_for_twins(run_id, of_run)
            journal.learn(local_id, run_id)
        except OSError as error:  # no journal for what it logs
            without(error)
        except Exception:
            raise
        except BaseException:
            # A Ctrl-C: the script will not know the run.
            if not LOCAL.search(json.dumps(body)):
                journal.append(twins(local_id, experiment, local_id))
            raise
        return answer

    def _create_local_run(self, body: dict[str, Any], local_id: str, journal: Journal) -> Any:
        answer = self._answers.run(body, local_id)
        body = body | {"run_name": answer.run.info.run_name}
        experiment = str(body.get("experiment_id", ""))
        self._doubtful[local_id] = (experiment, local_id)
        if name := self._identities.name(experiment):
            journal.append(Record(api=CREATE_EXPERIMENT, body={"name": name}, local_id=experiment))
        journal.append(Record(api=CREATE_RUN, body=body, local_id=local_id))
        reason = self._reach.reason
        LOG.warning("run %s is kept on this machine until the server is back: %s", local_id, reason)
        return answer

    def _create_model(self, body: dict[str, Any]) -> Any:
        local_id = new(MODEL)
        answer, _ = self._created(CREATE_MODEL, body, local_id)
        if answer is not None:
            self._mirror.learn_model(answer.model)
            return answer
        if not body.get("source_run_id"):
            raise self._unavailable(CREATE_MODEL)
        with self._deliveries.using(body["source_run_id"]) as journal:
            journal.append(Record(api=CREATE_MODEL, body=body, local_id=local_id))
        self._sender.work()
        return self._answers.model(body, local_id)

    def _created(self, api: str, body: dict[str, Any], local_id: str) -> tuple[Any | None, int]:
        """Return the server's answer, None when it is away, and how often it was asked."""
        attempts = 0

        def create() -> Any:
            nonlocal attempts
            attempts += 1
            return self._server.create(api, body, local_id, again=attempts > 1)

        if not LOCAL.search(json.dumps(body)):
            with contextlib.suppress(AwayError):
                return self._bounded(create), attempts
        if _waits_for_the_server():
            raise self._unavailable(api)
        return None, attempts

    def _learned(self, name: str, answer: Any) -> Any:
        if name == "GetRun":
            self._mirror.learn(answer.run)
        return answer

    def _bounded(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer or the server is known to be away.

        Raises:
            AwayError: it is.
            MlflowException: it refused, or this caller may not ask that.
        """
        begun = time.monotonic()
        while True:
            if self._reach.away and not self._reach.wait(LOOP_SECONDS):
                self._sender.work()
                raise AwayError(self._reach.reason)
            try:
                return ask()
            except RefusedError as error:
                raise error.error from None
            except AwayError as error:
                if error.denied is not None:
                    raise error.denied from None
                if time.monotonic() - begun > AWAY_SECONDS:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _unavailable(self, name: str) -> MlflowException:
        return MlflowException(
            f"{name}: the tracking server does not answer: {self._reach.reason}", TEMPORARILY_UNAVAILABLE
        )


def strict() -> bool:
    """Tell whether a script wants to hear at once of what the server does not take."""
    return os.environ.get(STRICT, "").strip().lower() not in ("", *switches.OFF)


def without(error: OSError) -> None:
    """Say that there is no journal."""
    _once(
        f"no journal can be written, in {folder.chosen()} or {folder.instead()}: {error}: what the server"
        f" does not take is lost, until export {folder.FOLDER}=/a/folder/with/room"
    )


@cache
def _once(text: str) -> None:
    LOG.error(text)


def _waits_for_the_server() -> bool:
    """Tell whether nobody else's answer will do: in strict mode, and where a person typed `mlflow`."""
    return strict() or "mlflow.cli" in sys.modules
