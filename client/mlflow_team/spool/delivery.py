"""Sends one journal, in order: what passes is tried again, what is refused is counted, nothing twice."""

import contextlib
import contextvars
import json
import logging
import time
from typing import Any

from mlflow_team import tags

from . import account, artifacts, folder
from .batch import first
from .identities import LOCAL, Identities
from .journal import DAMAGED, Entry, Journal
from .reach import AWAY_SECONDS, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, AwayError, RefusedError
from .record import (
    ARTIFACT,
    CREATE_EXPERIMENT,
    CREATE_MODEL,
    CREATE_RUN,
    TWINS,
    Record,
)
from .server import MISSING, Server

LOG = logging.getLogger("mlflow_team")
# Records of one request: the server's limit is on what they hold.
MOST = 1000
# Failures of MLflow's own over one record, the server being well otherwise, until the record is at fault.
SUSPECT_ATTEMPTS = 5
# mlflow.models.model.MLMODEL_FILE_NAME, which loads far more than its name.
MODEL_FILE = "MLmodel"
INACTIVE = "must be in the 'active' state"


class BlockedError(AwayError):
    """What it needs has not been created yet."""


class Delivery:
    """A journal on its way."""

    def __init__(  # noqa: D417
        self, journal: Journal, server: Server, identities: Identities, *, again: bool = False
    ) -> None:
        """Nothing is sent yet.

        Args:
            again: somebody may have sent the first record already, and died before it was known.
        """
        self.journal = journal
        self.not_before = 0.0
        self.reason = ""
        self.warned = False
        self.users = 0
        self._server = server
        self._identities = identities
        self._context = contextvars.copy_context()
        self._entries: list[Entry] = []
        self._most = MOST
        self._attempts = 0
        self._again = again
        self._since: float | None = None

    @property
    def stuck(self) -> bool:
        """Tell whether nothing has got through for so long that nobody should wait for it."""
        return self._since is not None and time.monotonic() - self._since > AWAY_SECONDS

    @property
    def run_id(self) -> str:
        """Return the server's id of the run, as far as there is one."""
        return self._identities.resolve(self.journal.header.run_id)

    def step(self) -> bool:
        """Send one request; False when there is nothing to send, or it failed and waits."""
        try:
            return self._step()
        except Exception as error:
            # A disk that cannot be read, or our own fault: the other journals go on.
            if self._since is None:
                told = "run %s waits here; once that is mended: mlflow-team sync"
                LOG.exception(told, self.run_id)
            return self._failed([], AwayError(f"{type(error).__name__}: {error}"))

    def _step(self) -> bool:
        self._entries = self._entries or self.journal.pending()
        if not self._entries:
            return False
        batch = first(self._entries, self._most)
        try:
            if batch.record is None:
                self._done(batch.entries, refused=DAMAGED)
                return True
            self._context.run(self._send, batch.record)
        except RefusedError as error:
            return self._refused(batch.entries, error)
        except AwayError as error:
            return self._failed(batch.entries, error)
        self._done(batch.entries)
        self._most = min(MOST, self._most * 2)
        return True

    def mark(self, *, spooled: int) -> None:
        """Say on the run what of it is missing."""
        if LOCAL.fullmatch(self.run_id):
            return
        try:
            self._context.run(account.mark, self._server, self.run_id, self.journal, spooled=spooled)
        except AwayError:
            return
        except RefusedError:  # there is no such run any more: nobody to tell
            self.journal.tell(self.journal.state.why, marked=False)

    def beat(self, seconds: float) -> None:
        """Say on the run that its process lives.

        Raises:
            AwayError: nobody heard it.
        """
        if LOCAL.fullmatch(self.run_id):
            return
        now = f"{time.time() + self._server.reach.clock_ahead:.0f} {seconds:.0f} {self.journal.name}"
        body = {"run_id": self.run_id, "tags": [{"key": tags.HEARTBEAT, "value": now}]}
        with contextlib.suppress(RefusedError):
            self._context.run(self._server.once, "LogBatch", body)

    def _done(self, entries: list[Entry], *, refused: str = "") -> None:
        for entry in entries:
            if entry.record and entry.record.api == ARTIFACT:
                self.journal.discard(entry.record.body["file"])
        self.journal.done(entries, refused=refused)
        del self._entries[: len(entries)]
        self._attempts, self._again, self._since, self.reason = 0, False, None, ""

    def _refused(self, entries: list[Entry], error: RefusedError) -> bool:
        whole = error.code == MISSING or INACTIVE in str(error)
        if len(entries) > 1 and not whole:
            self._most = len(entries) // 2
            return True
        count = sum(entry.count for entry in entries)
        LOG.error("run %s: %d values refused by the server, lost: %s", self.run_id, count, error)
        self._done(entries, refused=f"refused: {error}")
        return True

    def _failed(self, entries: list[Entry], error: AwayError) -> bool:
        self._again = True
        self._attempts += 1
        self._since = self._since or time.monotonic()
        self.reason = str(error)
        if error.suspect and self._attempts >= SUSPECT_ATTEMPTS and self._well():
            if len(entries) > 1:
                self._most, self._attempts = len(entries) // 2, SUSPECT_ATTEMPTS - 1
                return True
            LOG.error("run %s: the server fails over one record, lost: %s", self.run_id, error)
            self._done(entries, refused=f"the server failed: {error}")
            return True
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._attempts - 1, 16))
        if isinstance(error, BlockedError):
            pause = FIRST_PAUSE_SECONDS
        self.not_before = time.monotonic() + (error.pause or pause)
        return False

    def _well(self) -> bool:
        """Tell whether the server, its database included, does other things for this run."""
        try:
            self._context.run(self._server.run, self.run_id)
        except (AwayError, RefusedError):
            return False
        return True

    def _send(self, record: Record) -> None:
        body = self._resolved(record)
        if record.api in (CREATE_EXPERIMENT, CREATE_RUN, CREATE_MODEL):
            answer = self._server.create(record.api, body, record.local_id, again=True)
            real = _id(record.api, answer)
            self._identities.learn(record.local_id, real)
            self.journal.learn(record.local_id, real)
        elif record.api == ARTIFACT:
            self._upload(body, record.body["uri"])
        elif record.api == TWINS:
            for twin in self._server.twins(body["experiment_id"], body["local_id"]):
                if twin != self.run_id:
                    self._server.once("DeleteRun", {"run_id": twin})
        elif not (self._again and self._there(record.api, body)):
            self._log(record, body)

    def _log(self, record: Record, body: dict[str, Any]) -> None:
        endpoint = self._identities.resolve(record.endpoint) or None
        try:
            self._server.once(record.api, body, endpoint=endpoint)
        except RefusedError as error:
            if not (record.api == "DeleteTag" and self._again and error.code == MISSING):
                raise

    def _there(self, api: str, body: dict[str, Any]) -> bool:
        """Tell whether what MLflow would write a second time has already been written."""
        if api == "LogOutputs":
            known = {(o.model_id, o.step) for o in self._server.run(body["run_id"]).outputs.model_outputs}
            return all(
                (model["model_id"], int(model.get("step", 0))) in known for model in body.get("models", ())
            )
        if api == "LogModel":
            new = json.loads(body["model_json"])
            for tag in self._server.run(body["run_id"]).data.tags:
                if tag.key == "mlflow.log-model.history":
                    return any(
                        old.get("model_uuid") == new.get("model_uuid") for old in json.loads(tag.value)
                    )
        return False

    def _upload(self, body: dict[str, Any], kept_for: str) -> None:
        uri, file = body["uri"], self.journal.folder / body["file"]
        if uri.startswith(artifacts.PREFIX):
            owner, _, rest = uri.removeprefix(artifacts.PREFIX).partition("/")
            born = self._server.model(owner) if rest == artifacts.MODEL_FOLDER else self._server.run(owner)
            uri = born.info.artifact_uri
            if file.name == MODEL_FILE:
                # It tells its own id, and where it lies.
                text = file.read_text().replace(kept_for, uri)
                file.write_text(self._identities.resolve(text))
        artifacts.upload(uri, file, body.get("path"))

    def _resolved(self, record: Record) -> dict[str, Any]:
        """Return the body with the server's ids.

        Raises:
            BlockedError: one of them is still to be had.
        """
        body: dict[str, Any] = json.loads(self._identities.resolve(json.dumps(record.body)))
        if record.api == TWINS:
            return body | {"local_id": record.body["local_id"]}
        for local_id in set(LOCAL.findall(json.dumps(body))) - {record.local_id}:
            if self._expected(local_id):
                raise BlockedError(f"{local_id} has no id of the server's yet")
        return body

    def _expected(self, local_id: str) -> bool:
        here = self.journal.folder
        own = self.journal.header.run_id if self.journal.header.artifacts else local_id
        return any(folder.expected(each, apart_from=here) for each in {local_id, own})


def _id(api: str, answer: Any) -> str:
    if api == CREATE_EXPERIMENT:
        return str(answer.experiment_id)
    return str(answer.run.info.run_id if api == CREATE_RUN else answer.model.info.model_id)
