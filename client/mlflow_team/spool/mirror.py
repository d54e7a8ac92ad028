"""The runs of this process as the server would tell them, for while it does not."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from mlflow.protos import service_pb2
from mlflow.utils.proto_json_utils import parse_dict

from .record import LOG_BATCH, LOG_METRIC, LOG_PARAM, SET_TAG, UPDATE_RUN, Record

# More than a process has at work at once; the oldest goes.
MOST = 256
METRIC_FIELDS = ("key", "value", "timestamp", "step")
UPDATED_FIELDS = ("status", "end_time", "run_name")


@dataclass
class _Run:
    """A run as the server told it, and by key what has been written to it since."""

    told: Any
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=dict)

    def metric(self, body: dict[str, Any]) -> None:
        """Keep the latest by step, then time, as the server does."""
        known = self.metrics.get(body["key"])
        if known is None or _when(body) >= _when(known):
            self.metrics[body["key"]] = {name: body[name] for name in METRIC_FIELDS if name in body}


class Mirror:
    """Runs and logged models, brought up to date by what is written to them."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._models: OrderedDict[str, Any] = OrderedDict()

    def learn(self, run: Any) -> None:
        """Remember a run, as a message of MLflow's."""
        _put(self._runs, run.info.run_id, _Run(run))

    def learn_model(self, model: Any) -> None:
        """Remember a logged model."""
        _put(self._models, model.info.model_id, model)

    def run(self, run_id: str) -> Any | None:
        """Return a run, None when it is not known here."""
        known = self._runs.get(run_id)
        if known is None:
            return None
        run = service_pb2.Run()
        run.CopyFrom(known.told)
        kept = [metric for metric in run.data.metrics if metric.key not in known.metrics]
        del run.data.metrics[:]
        run.data.metrics.extend([*kept, *(_message(metric) for metric in [*known.metrics.values()])])
        _pairs(run.data.params, known.params)
        _pairs(run.data.tags, known.tags)
        return run

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
            run.metric(body)
        elif record.api == LOG_BATCH:
            for metric in body.get("metrics", ()):
                run.metric(metric)
            run.params |= {param["key"]: param.get("value", "") for param in body.get("params", ())}
            run.tags |= {tag["key"]: tag.get("value", "") for tag in body.get("tags", ())}
        elif record.api in (LOG_PARAM, SET_TAG):
            (run.params if record.api == LOG_PARAM else run.tags)[body["key"]] = body.get("value", "")
        elif record.api == "DeleteTag":
            run.tags[body["key"]] = None
        elif record.api == UPDATE_RUN:
            parse_dict({name: body[name] for name in UPDATED_FIELDS if name in body}, run.told.info)


def _put(held: "OrderedDict[str, Any]", key: str, value: Any) -> None:
    held[key] = value
    held.move_to_end(key)
    if len(held) > MOST:
        held.popitem(last=False)


def _when(metric: dict[str, Any]) -> tuple[int, int]:
    return int(metric.get("step", 0)), int(metric.get("timestamp", 0))


def _message(metric: dict[str, Any]) -> Any:
    message = service_pb2.Metric()
    parse_dict(metric, message)
    return message


def _pairs(held: Any, written: dict[str, Any]) -> None:
    written = dict(written)
    kept = [(each.key, each.value) for each in held if each.key not in written]
    del held[:]
    for key, value in [*kept, *written.items()]:
        if value is not None:
            held.add(key=key, value=value)
