"""One write to the tracking server, as it lies in a journal: a line with its checksum."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

# MLflow's calls that a script does not wait for: what it logs to a run, and the run's end.
LOG_BATCH, LOG_METRIC, LOG_PARAM, SET_TAG = "LogBatch", "LogMetric", "LogParam", "SetTag"
UPDATE_RUN = "UpdateRun"
WRITES = frozenset(
    {
        LOG_BATCH,
        LOG_METRIC,
        LOG_PARAM,
        SET_TAG,
        UPDATE_RUN,
        "DeleteTag",
        "LogInputs",
        "LogModel",
        "LogOutputs",
    }
)
# Written only while the server is away; else a script waits for the answer.
CREATE_EXPERIMENT, CREATE_RUN, CREATE_MODEL = "CreateExperiment", "CreateRun", "CreateLoggedModel"
# Ours: a file for the artifact store, and the look for a run that was created twice.
ARTIFACT, TWINS = "Artifact", "Twins"
ENTITIES = ("metrics", "params", "tags")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A write.

    Attributes:
        api: name of MLflow's call, or one of ours.
        body: what MLflow would send.
        local_id: what the answer will be known by, where the call creates something.
        endpoint: where the call has its ids in the path.
    """

    api: str
    body: dict[str, Any]
    local_id: str = ""
    endpoint: str = ""

    @property
    def count(self) -> int:
        """Return how many values it holds: each metric, parameter and tag is one, and any other call."""
        return sum(len(self.body.get(kind, ())) for kind in ENTITIES) if self.api == LOG_BATCH else 1

    @property
    def metric(self) -> bool:
        """Tell whether there is nothing but metrics in it: those give way first when the spool is full."""
        return self.api == LOG_METRIC or (
            self.api == LOG_BATCH and not self.body.get("params") and not self.body.get("tags")
        )

    def line(self) -> bytes:
        """Return the line that holds it."""
        told: dict[str, Any] = {"api": self.api, "body": self.body}
        told |= {name: getattr(self, name) for name in ("local_id", "endpoint") if getattr(self, name)}
        text = json.dumps(told, separators=(",", ":")).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)


def twins(run_id: str, experiment_id: str, local_id: str) -> Record:
    """Return the look for runs that were made under a local id, and are not the one known."""
    body = {"run_id": run_id, "experiment_id": experiment_id, "local_id": local_id}
    return Record(api=TWINS, body=body)


def read(line: bytes) -> Record | None:
    """Return what a line holds; None when the disk has damaged it."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        return Record(**json.loads(text))
    except (ValueError, TypeError):
        return None
