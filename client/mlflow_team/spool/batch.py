"""Records joined into one request, as many as the server takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .journal import Entry
from .record import ENTITIES, LOG_BATCH, LOG_METRIC, LOG_PARAM, SET_TAG, Record

# mlflow/utils/validation.py, MLflow 3.17: of one log-batch.
MOST = {"metrics": 1000, "params": 100, "tags": 100}
MOST_TOGETHER = 1000
# Below its 1 MB for a batch: counted here by what the values are about to take.
MOST_BYTES, ENTITY_BYTES = 800_000, 100
METRIC_FIELDS = ("key", "value", "timestamp", "step", "model_id", "dataset_name", "dataset_digest")
JOINED = {LOG_METRIC: "metrics", LOG_PARAM: "params", SET_TAG: "tags"}


@dataclass
class Batch:
    """The first of the pending entries, and the request that sends them."""

    entries: list[Entry] = field(default_factory=list)
    record: Record | None = None


@dataclass
class _Joined:
    run_id: str
    metrics: list[dict[str, Any]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    bytes: int = 0

    def takes(self, body: dict[str, Any]) -> bool:
        """Add what a record holds; False when it does not fit or contradicts what is there."""
        new = {kind: body.get(kind, ()) for kind in ENTITIES}
        size = sum(ENTITY_BYTES + len(str(each)) for entities in new.values() for each in entities)
        counts = {kind: len(getattr(self, kind)) + len(new[kind]) for kind in ENTITIES}
        empty = not self.bytes
        if not empty and (
            self.bytes + size > MOST_BYTES
            or sum(counts.values()) > MOST_TOGETHER
            or any(counts[kind] > MOST[kind] for kind in ENTITIES)
            or body["run_id"] != self.run_id
            # One request with two values of a parameter is refused whole, the first value too.
            or any(self.params.get(p["key"], p.get("value")) != p.get("value") for p in new["params"])
        ):
            return False
        self.bytes += size or 1
        self.metrics += new["metrics"]
        self.params |= {param["key"]: param.get("value", "") for param in new["params"]}
        self.tags |= {tag["key"]: tag.get("value", "") for tag in new["tags"]}
        return True

    def record(self) -> Record:
        """Return the request."""
        body: dict[str, Any] = {"run_id": self.run_id}
        if self.metrics:
            body["metrics"] = self.metrics
        for kind in ("params", "tags"):
            if held := getattr(self, kind):
                body[kind] = [{"key": key, "value": value} for key, value in held.items()]
        return Record(api=LOG_BATCH, body=body)


def first(entries: Sequence[Entry], most: int) -> Batch:
    """Join the first entries, at most so many records."""
    batch, joined = Batch(), None
    for entry in entries[:most]:
        record = entry.record
        body = _as_batch(record) if record else None
        if body is None:
            if not batch.entries:
                return Batch([entry], record)
            break
        if joined is None:
            joined = _Joined(body["run_id"])
        if not joined.takes(body):
            break
        batch.entries.append(entry)
    if joined is not None:
        # A user's own batch goes as it is: whether it is too large is the server's to say.
        batch.record = joined.record() if len(batch.entries) > 1 else batch.entries[0].record
    return batch


def _as_batch(record: Record) -> dict[str, Any] | None:
    body = record.body
    if record.api == LOG_BATCH:
        keys = [param["key"] for param in body.get("params", ())]
        return body if len(set(keys)) == len(keys) else None
    if record.api not in JOINED:
        return None
    names = METRIC_FIELDS if record.api == LOG_METRIC else ("key", "value")
    entity = {name: body[name] for name in names if name in body}
    return {"run_id": body["run_id"], JOINED[record.api]: [entity]}
