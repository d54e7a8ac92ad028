"""Reads the bodies of MLflow's four hot writes where they are plainly valid; all others MLflow judges."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeGuard

import orjson
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_USER
from mlflow.utils.validation import (
    MAX_ENTITIES_PER_BATCH,
    MAX_ENTITY_KEY_LENGTH,
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
    MAX_TAG_VAL_LENGTH,
    _validate_metric_name,
)

RUN_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
# How Postgres keeps what MLflow's client sends in words: value, and whether it is no number.
WORDS = {
    "NaN": (0.0, True),
    "Infinity": (1.7976931348623157e308, False),
    "-Infinity": (-1.7976931348623157e308, False),
}
MOST_EXACT = 2**53  # of integers that are doubles
INT64 = range(-(2**63), 2**63)
REMEMBERED = 4096
# One is the run's name too, the other is whoever made the run: TrackingStore and MLflow see to both.
NOT_ONLY_TAGS = {MLFLOW_RUN_NAME, MLFLOW_USER}

# key, value, timestamp, step, is_nan
Metric = tuple[str, float, int, int, bool]
Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """What one request adds to a run.

    Attributes:
        run: its id, 32 hexadecimal digits.
        metrics: key, value, milliseconds since 1970, step, whether the value is NaN; a NaN's value is 0.
        parameters, tags: key and value.
    """

    run: str
    metrics: list[Metric] = field(default_factory=list)
    parameters: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows it may write into the history, the parameters and the tags."""
        return len(self.metrics) + len(self.parameters) + len(self.tags)


class _NotPlainError(Exception):
    """MLflow must judge it."""


def read(route: str, body: bytes) -> Write | None:
    """Return what a body asks for; None when MLflow must judge it.

    Args:
        route: one of ROUTES.
        body: as received.
    """
    try:
        return ROUTES[route](orjson.loads(body))
    except (ValueError, RecursionError, _NotPlainError):
        return None


def _log_metric(body: Any) -> Write:
    given = _object(body, "run_id", "run_uuid", "key", "value", "timestamp", "step")
    metric = _metric({name: value for name, value in given.items() if name not in {"run_id", "run_uuid"}})
    return Write(run=_run(given), metrics=[metric])


def _log_parameter(body: Any) -> Write:
    given = _object(body, "run_id", "run_uuid", "key", "value")
    return Write(run=_run(given), parameters=[_pair(given, MAX_PARAM_VAL_LENGTH)])


def _set_tag(body: Any) -> Write:
    given = _object(body, "run_id", "run_uuid", "key", "value")
    return Write(run=_run(given), tags=[_tag(given)])


def _log_batch(body: Any) -> Write:
    given = _object(body, "run_id", "metrics", "params", "tags")
    metrics, params, tags = (_list(given.get(name, [])) for name in ("metrics", "params", "tags"))
    if (
        len(metrics) > MAX_METRICS_PER_BATCH
        or max(len(params), len(tags)) > MAX_PARAMS_TAGS_PER_BATCH
        or len(metrics) + len(params) + len(tags) > MAX_ENTITIES_PER_BATCH
    ):
        raise _NotPlainError
    parameters = [_pair(_object(one, "key", "value"), MAX_PARAM_VAL_LENGTH) for one in params]
    if len({key for key, _ in parameters}) < len(parameters):
        raise _NotPlainError
    return Write(
        run=_run(given),
        metrics=[_metric(one) for one in metrics],
        parameters=parameters,
        tags=[_tag(_object(one, "key", "value")) for one in tags],
    )


ROUTES: Mapping[str, Callable[[Any], Write]] = {
    "POST /mlflow/runs/log-metric": _log_metric,
    "POST /mlflow/runs/log-batch": _log_batch,
    "POST /mlflow/runs/log-parameter": _log_parameter,
    "POST /mlflow/runs/set-tag": _set_tag,
}


def _object(value: Any, *known: str) -> dict[str, Any]:
    if type(value) is not dict or not value.keys() <= set(known):
        raise _NotPlainError
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _NotPlainError
    return value


def _run(given: dict[str, Any]) -> str:
    run = given.get("run_id")
    if type(run) is not str or not RUN_ID.fullmatch(run) or given.get("run_uuid", run) != run:
        raise _NotPlainError
    return run


def _metric(given: Any) -> Metric:
    # Of a batch each has so little time that it is read by hand.
    if type(given) is not dict:
        raise _NotPlainError
    key, value = given.get("key"), given.get("value")
    timestamp, step = given.get("timestamp"), given.get("step", 0)
    # One more than these may be in it: the id of a run, which MLflow reads over.
    if len(given) - ("step" in given) != 3 and not _has_run_too(given):  # noqa: PLR2004 - key, value, timestamp
        raise _NotPlainError
    if not _is_key(key) or type(timestamp) is not int or timestamp < 0 or type(step) is not int:
        raise _NotPlainError
    if timestamp not in INT64 or step not in INT64:
        raise _NotPlainError
    if type(value) is float and math.isfinite(value):
        # MLflow's SQL has no negative zero: Postgres reads it as a decimal number.
        return key, value + 0.0, timestamp, step, False
    if type(value) is int and -MOST_EXACT <= value <= MOST_EXACT:
        return key, float(value), timestamp, step, False
    if type(value) is str and value in WORDS:
        number, is_nan = WORDS[value]
        return key, number, timestamp, step, is_nan
    raise _NotPlainError


def _has_run_too(given: dict[str, Any]) -> bool:
    return (
        given.keys() <= {"key", "value", "timestamp", "step", "run_id"} and type(given.get("run_id")) is str
    )


def _tag(given: dict[str, Any]) -> Pair:
    key, value = _pair(given, MAX_TAG_VAL_LENGTH)
    if key in NOT_ONLY_TAGS:
        raise _NotPlainError
    return key, value


def _pair(given: dict[str, Any], longest: int) -> Pair:
    key, value = given.get("key"), given.get("value")
    if not _is_key(key) or type(value) is not str or len(value) > longest or "\0" in value:
        raise _NotPlainError
    value.encode()  # half of a surrogate pair is a UnicodeEncodeError, which is a ValueError
    return key, value


def _is_key(key: Any) -> TypeGuard[str]:
    return type(key) is str and len(key) <= MAX_ENTITY_KEY_LENGTH and _is_name(key)


@lru_cache(maxsize=REMEMBERED)
def _is_name(key: str) -> bool:
    try:
        _validate_metric_name(key)  # of parameters and tags too
    except MlflowException:
        return False
    return True
