"""The runs of this process as the server would tell them, for while it does not."""

from collections import OrderedDict
from typing import Any

from mlflow.protos import service_pb2
from mlflow.utils.proto_json_utils import parse_dict

from .record import LOG_BATCH, LOG_METRIC, LOG_PARAM, SET_TAG, UPDATE_RUN, Record

# More than a process has at work at once; the oldest goes.
MOST = 256


class Mirror:
    """Runs and logged models, brought up to date by what is written to them."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Any] = OrderedDict()
        self._models: OrderedDict[str, Any] = OrderedDict()

    def learn(self, run: Any, known_as: str = "") -> None:
        """Remember a run, as a message of MLflow's."""
        _put(self._runs, known_as or run.info.run_id, run)

    def learn_model(self, model: Any, known_as: str = "") -> None:
        """Remember a logged model."""
        _put(self._models, known_as or model.info.model_id, model)

    def run(self, run_id: str) -> Any | None:
        """Return a run, None when it is not known here."""
        return self._runs.get(run_id)

    def model(self, model_id: str) -> Any | None:
        """Return a logged model, None when it is not known here."""
        return self._models.get(model_id)

    def run_of(self, model_id: str) -> str:
        """Return the run that a logged model comes from, nothing when it is not known."""
        model = self._models.get(model_id)
        return str(model.info.source_run_id) if model is not None else ""

    def write(self, run_id: str, record: Record) -> None:
        """Do to a run what a record will do to it on the server."""
        run, body = self._runs.get(run_id), record.body
        if run is None:
            return
        if record.api == LOG_METRIC:
            _metric(run, body)
        elif record.api == LOG_BATCH:
            for metric in body.get("metrics", ()):
                _metric(run, metric)
            for kind in ("params", "tags"):
                for each in body.get(kind, ()):
                    _pair(getattr(run.data, kind), each)
        elif record.api in (LOG_PARAM, SET_TAG):
            _pair(run.data.params if record.api == LOG_PARAM else run.data.tags, body)
        elif record.api == "DeleteTag":
            kept = [tag for tag in run.data.tags if tag.key != body["key"]]
            del run.data.tags[:]
            run.data.tags.extend(kept)
        elif record.api == UPDATE_RUN:
            parse_dict(
                {name: body[name] for name in ("status", "end_time", "run_name") if name in body}, run.info
            )


def _put(held: "OrderedDict[str, Any]", key: str, message: Any) -> None:
    held[key] = message
    held.move_to_end(key)
    if len(held) > MOST:
        held.popitem(last=False)


def _metric(run: Any, body: dict[str, Any]) -> None:
    """Keep the latest by step, then time, as the server does."""
    new = parse_metric(body)
    for known in run.data.metrics:
        if known.key == new.key:
            if (new.step, new.timestamp) >= (known.step, known.timestamp):
                known.CopyFrom(new)
            return
    run.data.metrics.append(new)


def parse_metric(body: dict[str, Any]) -> Any:
    """Return a metric as a message."""
    metric = service_pb2.Metric()
    parse_dict({name: body[name] for name in ("key", "value", "timestamp", "step") if name in body}, metric)
    return metric


def _pair(held: Any, body: dict[str, Any]) -> None:
    for known in held:
        if known.key == body["key"]:
            known.value = body.get("value", "")
            return
    held.add(key=body["key"], value=body.get("value", ""))
