"""Generated reads, valid and invalid, of what the generated writes have left."""

import base64
import json
import random
from typing import Any
from urllib.parse import quote, urlencode

from server.tests.differential.cases import ACTIVE, CONTENT_TYPES, KEYS, RUNS, Case, plain

HISTORY = "/mlflow/metrics/get-history"
FEW = [key for key in KEYS[:7] if isinstance(key, str)]
NUMBERS = ["1", "2", "3", "5", "25000", "0", "-1", "x", "1.0", " 1", "99999999999", ""]
SAMPLES = [
    *map(str, range(1, 9)),
    "12",
    "20",
    "320",
    "2500",
    "2501",
    *NUMBERS,
    "007",
    "+5",
    "1_0",
    "5.0",
    "٣",
]
STEPS = [
    *["0", "1", "2", "3", "5", "7", "-1", "100", "999999999", "-999999999"], "2147483647", "2147483648",
    "-2147483649", str(2**63), "-0", "01", "+1", " 1", "1.0", "1e2", "x", "", "٣", "1_0",
]  # fmt: skip
TOKENS = [
    base64.b64encode(json.dumps({"offset": offset}).encode()).decode()
    for offset in (1, 2, 5, 0, -1, "1", "x")
]
FILTERS = [
    "", "metrics.loss > 0", "metrics.loss != 1", "params.`a b` = 'a'",
    "tags.loss LIKE '%a%'",
    "attributes.status = 'RUNNING'", "attributes.start_time >= 0", "run_name = 'seeded'",
    "metrics.accuracy <= 3",
    "metrics.loss > 0 and metrics.`val/loss` < 9", "params.loss IS NULL", "tags.loss IS NOT NULL",
    "dataset.name = 'x'",
    "attributes.run_id IN ('" + ACTIVE[0] + "', '" + ACTIVE[1] + "')", "metrics.loss", "x = ",
    "metrics.loss = 'a'", "a\0b = 1", "'",
]  # fmt: skip
ORDERS = [
    [], ["metrics.loss"], ["metrics.loss DESC"], ["params.loss ASC", "metrics.accuracy DESC"], ["start_time"],
    ["attributes.run_id DESC"], ["tags.loss"], ["end_time DESC", "run_name"], ["metrics.`val/loss` desc"],
    ["metrics.loss", "metrics.loss"], ["x"], ["metrics.loss sideways"], [7], "metrics.loss",
]  # fmt: skip
EXPERIMENTS = [
    *[["7"]] * 8, ["7", "8"], ["8"], ["7", "7"], [], ["x"], [7], "7", ["99999999999"], ["0"], ["07"], None,
]  # fmt: skip


def read_case(chance: random.Random) -> Case:
    """Generate one."""
    return chance.choice([_history, _history, _bulk, _interval, _interval, _search, _search])(chance)


def _history(chance: random.Random) -> Case:
    query = {"run_id": plain(chance, RUNS, len(ACTIVE)), "metric_key": plain(chance, KEYS, 7)}
    pages = {
        "max_results": (NUMBERS, 5),
        "page_token": (TOKENS, 3),
        "run_uuid": (RUNS, 2),
        "unknown": (["x"], 1),
    }
    for name, (values, valid) in pages.items():
        if chance.random() < (0.3 if name == "max_results" else 0.06):
            query[name] = plain(chance, values, valid)
    return _get(chance, chance.choice(["/api/2.0", "/ajax-api/2.0"]) + HISTORY, query)


def _bulk(chance: random.Random) -> Case:
    query: dict[str, Any] = {
        "run_id": [plain(chance, RUNS, len(ACTIVE)) for _ in range(chance.choice([0, 1, 2, 3, 3, 8, 101]))],
        "metric_key": plain(chance, KEYS, 7),
    }
    if chance.random() < 0.1:
        query["max_results"] = plain(chance, NUMBERS, 5)
    return _get(chance, f"/ajax-api/2.0{HISTORY}-bulk", query)


def _interval(chance: random.Random) -> Case:
    query: dict[str, Any] = {
        "run_ids": [plain(chance, RUNS, len(ACTIVE)) for _ in range(chance.choice([0, 1, 1, 2, 3, 8, 101]))],
        "metric_key": plain(chance, KEYS, 7),
    }
    if chance.random() < 0.1:
        query["run_ids"] = [chance.choice(ACTIVE) for _ in range(100)]
    if chance.random() < 0.8:
        query["max_results"] = plain(chance, SAMPLES, 12)
    if chance.random() < 0.5:
        query |= {name: plain(chance, STEPS, 10) for name in ("start_step", "end_step")}
    if chance.random() < 0.05:
        query["runIds"] = ACTIVE[0]
    return _get(chance, f"{chance.choice(['/api/2.0', '/ajax-api/2.0'])}{HISTORY}-bulk-interval", query)


def _get(chance: random.Random, path: str, query: dict[str, Any]) -> Case:
    if chance.random() < 0.05:
        del query[chance.choice(list(query))]
    texts = {
        name: [
            str(each).encode("utf-8", "surrogatepass")
            for each in (value if isinstance(value, list) else [value])
        ]
        for name, value in query.items()
    }
    text = urlencode(texts, doseq=True, quote_via=quote) + chance.choice(
        [*[""] * 20, "&metric_key=loss", "&", "&x"]
    )
    return Case(
        path=f"{path}?{text}", body=b"", headers={}, method="HEAD" if chance.random() < 0.03 else "GET"
    )


def _search(chance: random.Random) -> Case:
    body: dict[str, Any] = {"experiment_ids": plain(chance, EXPERIMENTS, 8)}
    fields = {
        "filter": (FILTERS, 14, 0.5),
        "order_by": (ORDERS, 9, 0.5),
        "max_results": ([1, 2, 3, 5, 1000, 50000, 50001, 0, -1, "5", 1.5, None, True], 6, 0.4),
        "page_token": ([*TOKENS, "", 7], 3, 0.1),
        "run_view_type": (["ACTIVE_ONLY", "ALL", "DELETED_ONLY", "all", "x", 1, None], 3, 0.3),
        "experimentIds": ([["7"]], 1, 0.02),
        "unknown": ([1], 1, 0.02),
    }
    for name, (values, valid, often) in fields.items():
        if chance.random() < often:
            body[name] = plain(chance, values, valid)
    kind = chance.choice(CONTENT_TYPES)
    return Case(
        path=chance.choice(["/api/2.0", "/ajax-api/2.0"]) + "/mlflow/runs/search",
        body=json.dumps(body).encode("utf-8", "surrogatepass"),
        headers={"Content-Type": kind} if kind else {},
    )
