"""What of an answer's JSON is compared: all but an order that neither statement asks of Postgres."""

import json
from itertools import groupby
from typing import Any

WHOLLY_ORDERED = "/get-history-bulk-interval"


def canonical(text: bytes, path: str) -> bytes:
    """Write an answer so that equal ones are the same bytes; NaN is not equal to itself otherwise.

    Args:
        text: the answer's JSON.
        path: what was asked. With `max_results` the points may begin and end among those of one place.
    """
    answer = json.loads(text)
    if isinstance(answer, dict):
        for run in answer.get("runs", []):
            for name, values in run["data"].items():
                run["data"][name] = sorted(values, key=lambda value: value["key"])
        if "metrics" in answer and WHOLLY_ORDERED not in path:
            answer["metrics"] = _settled(answer["metrics"], page="max_results" in path)
    return json.dumps(answer, sort_keys=True).encode()


def _settled(points: list[dict[str, Any]], *, page: bool) -> list[dict[str, Any]]:
    """Sort NaN and 0 of one place: both are 0 to the order, and at the edges of a page it may be either."""
    places = [list(tied) for _, tied in groupby(points, key=_place)]
    for edge in (0, -1) if page and places else ():
        places[edge] = [point | {"value": _place(point)[-1]} for point in places[edge]]
    return [point for tied in places for point in sorted(tied, key=repr)]


def _place(point: dict[str, Any]) -> tuple[Any, ...]:
    value = point["value"]
    is_nan = value == "NaN" or value != value  # noqa: PLR0124 - as JSON's NaN is read
    return point.get("run_id"), point["timestamp"], point["step"], 0.0 if is_nan else value
