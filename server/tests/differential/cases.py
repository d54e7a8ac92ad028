"""Generated requests: mostly what clients send, and every way found to be wrong about it.

Two things are not among them, because our store differs there from stock MLflow on purpose: it keeps the tag
mlflow.user what it is, and looks up models before it writes. The fast path leaves both to it.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Known to both databases before the first request.
ACTIVE = [f"{number:032x}" for number in range(1, 4)]
DELETED = "d" * 32
FOREIGN = "f" * 32
UNKNOWN = "0" * 32
RUNS = [*ACTIVE * 12, DELETED, FOREIGN, UNKNOWN, "", "x", "A" * 33, "a" * 31 + "\n", 7, None, [], "🦜" * 8]
KEYS = [
    *["loss", "accuracy", "val/loss", "a b", "a.b-c:d_e", "größe", "损失"] * 5,
    "", ".", "..", "../x", "/x", "x/", "x//y", "a\n", "a\tb", "quote'", 'quote"', "back\\slash", "{a,b}",
    "a,b", "%s", "$1", "NULL", "null", "k" * 250, "k" * 251, "é" * 250, "é" * 251, "🦜", "\0", "\ud800",
    7, 1.5, True, None, [], {}, "mlflow.runName", "mlflow.note.content", "mlflow.source.name",
]  # fmt: skip
NUMBERS = [
    *[0, 1, -1, 0.5, 0.1, 1e-7, 3, 2.5] * 4, 0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308,
    -1.7976931348623157e308, 2**53, 2**53 + 1, 2**63, 2**64, 10**400, -(10**400), 1e16,
    123456789.123456789, "NaN", "Infinity", "-Infinity", "nan", "inf", "-NaN", "1.5", " 1", "1e5", "", "x",
    True, False, None, [], {}, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
INTEGERS = [
    *range(8), *range(4), 1_700_000_000_000, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -1, -(2**63),
    -(2**63) - 1, 10**30, 1.0, 1.5, 1e3, 1e30, "5", "-5", "5.0", " 5", "", "x", True, False, None, [], {},
    float("nan"),
]  # fmt: skip
TEXTS = [
    *["a", "b", "0.1", "größe 损失 🦜"] * 4, "", " ", "x" * 6000, "x" * 6001, "x" * 8000, "x" * 8001,
    "é" * 6000, "🦜" * 6001, "'", '"', "\\", "{}", "{a,b}", "%s %(x)s", "$1", "NULL", "a\0b", "\ud800",
    "\u2028\r\n\t", "\x01", '\\"', "E'\\'", 5, 0.5, True, None, [], {},
]  # fmt: skip
PREFIXES = ("/api/2.0/mlflow/runs/", "/ajax-api/2.0/mlflow/runs/")
CONTENT_TYPES = [
    *["application/json"] * 30,
    "application/json; charset=utf-8",
    "Application/JSON",
    "text/plain",
    "",
]
RAW = [b"", b"{", b"[]", b"null", b'"{}"', b"7", b"{}", b"\xff", b"[" * 5000, b'{"run_id": 1, "run_id": 2}']


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request, sent to both servers alike."""

    path: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"


def case(chance: random.Random) -> Case:
    """Generate one."""
    route = chance.choice(list(BODIES))
    body = BODIES[route](chance)
    if chance.random() < 0.08:
        _spoil(chance, body)
    text = json.dumps(body, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    headers = {"Content-Type": chance.choice(CONTENT_TYPES)}
    if chance.random() < 0.02:
        headers["Origin"] = chance.choice(["https://evil.example", "http://localhost:3000", "null"])
    return Case(
        path=chance.choice(PREFIXES) + route,
        body=chance.choice(RAW) if chance.random() < 0.03 else text,
        headers={name: value for name, value in headers.items() if value},
    )


def plain(chance: random.Random, values: list[Any], kept: int) -> Any:
    """Choose one of the first ones, which are valid, mostly."""
    return chance.choice(values[:kept] if chance.random() < 0.93 else values)


def _ids(chance: random.Random) -> dict[str, Any]:
    run = plain(chance, RUNS, len(ACTIVE))
    both = chance.random() < 0.6
    other = plain(chance, [run, *RUNS], 1)
    only = "run_uuid" if chance.random() < 0.05 else "run_id"
    return {"run_id": run, "run_uuid": other} if both else {only: run}


def _metric(chance: random.Random) -> dict[str, Any]:
    metric = {
        "key": plain(chance, KEYS, 35),
        "value": plain(chance, NUMBERS, 41 if chance.random() < 0.3 else 8),
        "timestamp": plain(chance, INTEGERS, 12),
    }
    if chance.random() < 0.8:
        metric["step"] = plain(chance, INTEGERS, 12)
    if chance.random() < 0.3:
        metric["value"] = chance.choice(["NaN", "Infinity", "-Infinity", 0, 0.0, -0.0])
    return metric


def _pair(chance: random.Random) -> dict[str, Any]:
    key = plain(chance, KEYS, 35)
    # Parameters stay what they were: with a few keys alone each would soon be refused.
    key = f"{key}{chance.randrange(300)}" if isinstance(key, str) and chance.random() < 0.6 else key
    pair = {"key": key, "value": plain(chance, TEXTS, 16)}
    if chance.random() < 0.02:
        del pair["value"]
    return pair


def _log_metric(chance: random.Random) -> dict[str, Any]:
    return _ids(chance) | _metric(chance)


def _log_pair(chance: random.Random) -> dict[str, Any]:
    return _ids(chance) | _pair(chance)


def _log_batch(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"run_id": plain(chance, RUNS, len(ACTIVE))}
    for name, make, most, limit in (
        ("metrics", _metric, 12, 1000), ("params", _pair, 3, 100), ("tags", _pair, 3, 100),
    ):  # fmt: skip
        if chance.random() < 0.7:
            count = chance.choice([limit, limit + 1]) if chance.random() < 0.01 else chance.randrange(most)
            # Few faults in each, or no batch would be without one.
            body[name] = [make(chance) for _ in range(count)]
            if chance.random() < 0.8:
                body[name] = [one for one in body[name] if _is_usual(one)]
    if body.get("metrics") and chance.random() < 0.3:
        body["metrics"].append(dict(chance.choice(body["metrics"])))
    return body


def _is_usual(one: dict[str, Any]) -> bool:
    usual = (KEYS[:35], [*NUMBERS[:32], "NaN", "Infinity", "-Infinity"], INTEGERS[:12], INTEGERS[:12])
    if "timestamp" in one:
        named = zip(("key", "value", "timestamp", "step"), usual, strict=True)
        return all(one.get(name, 0) in values for name, values in named)
    return isinstance(one["key"], str) and one.get("value") in TEXTS[:16]


def _spoil(chance: random.Random, body: dict[str, Any]) -> None:
    """Leave something out, or bring something that does not belong there."""
    others = ("dataset_name", "dataset_digest", "runId", "run_id", "unknown", "metrics", "key", "value")
    where = chance.choice([body, *body.get("metrics", []), *body.get("tags", [])])
    if where and chance.random() < 0.5:
        del where[chance.choice(list(where))]
    elif chance.random() < 0.1:
        where["model_id"] = chance.choice(["", None, [], {}, 7])
    else:
        where[chance.choice(others)] = chance.choice(["", "x", None, ACTIVE[0], [], [7], {}, 7])


BODIES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "log-metric": _log_metric,
    "log-batch": _log_batch,
    "log-parameter": _log_pair,
    "set-tag": _log_pair,
}
