"""What is measured of each, and in which unit."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bounds import Bounds
from benchmarks.contestants import Contestant
from benchmarks.seed import EXPERIMENT, HISTORY

WINDOW_SECONDS = 4.0
READS = 3
# Twice the 30 s for which MLflow waits for a connection before it gives up.
ERRORS_SECONDS = 60.0
BATCHES_EACH = 5

EPOCH = """
import mlflow

mlflow.set_experiment("epoch")
with mlflow.start_run():
    for step in range(1000):
        mlflow.log_metrics({f"metric_{place}": place / (step + 1) for place in range(10)}, step=step)
"""

Measure = Callable[[Contestant], float]
Bound = Callable[[Bounds], float]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One line of the table.

    Attributes:
        measure: asks a started server.
        bound: asks Postgres itself for the same.
        rate: whether larger is better.
    """

    unit: str
    measure: Measure
    bound: Bound | None = None
    rate: bool = False


def _writes(path: str, body: str, connections: int, each: int = 1) -> Measure:
    def measure(server: Contestant) -> float:
        runs = server.new_runs(connections)
        told = {"path": path, "body": body, "connections": connections, "runs": runs}
        server.load(**told, seconds=1.0)
        came = server.load(**told, seconds=WINDOW_SECONDS)
        if came["errors"]:
            raise RuntimeError(f"{server.name} answered {came['errors']} of {path} with errors")
        return came["done"] * each / came["seconds"]

    return measure


def _errors(server: Contestant) -> float:
    connections = 40
    came = server.load(
        path="/runs/log-batch", body="batch_10", connections=connections, runs=server.new_runs(connections),
        seconds=ERRORS_SECONDS, requests=BATCHES_EACH,
    )  # fmt: skip
    return float(connections * BATCHES_EACH - came["done"])


def _reads(method: str, path: str, body: str) -> Measure:
    def measure(server: Contestant) -> float:
        told = {"method": method, "path": path, "body": body, "connections": 1, "seconds": 120.0}
        server.load(**told, requests=1)
        came = server.load(**told, requests=READS)
        if came["errors"]:
            raise RuntimeError(f"{server.name} answered {path} with errors")
        return came["median_ms"]

    return measure


def _epoch(server: Contestant) -> float:
    return server.run_client(EPOCH)


def _create(server: Contestant) -> float:
    experiment = server.ask("POST", "/experiments/create", {"name": f"bench {server.new_runs(1)[0]}"})
    body = f'{{"experiment_id": "{experiment["experiment_id"]}"}}'
    came = server.load(path="/runs/create", body=body, connections=8, seconds=WINDOW_SECONDS)
    return came["done"] / came["seconds"]


def _search(order: str) -> str:
    return f'{{"experiment_ids": ["{EXPERIMENT}"], "max_results": 100{order}}}'


SCENARIOS: dict[str, Scenario] = {
    "log_metric_c1": Scenario(
        unit="requests/s", rate=True, measure=_writes("/runs/log-metric", "metric", 1), bound=Bounds.commits
    ),
    "log_metric_c16": Scenario(
        unit="requests/s", rate=True, measure=_writes("/runs/log-metric", "metric", 16)
    ),
    "log_batch_100_c8": Scenario(
        unit="metrics/s", rate=True, measure=_writes("/runs/log-batch", "batch_100", 8, 100),
        bound=lambda bounds: bounds.copied(100),
    ),
    "log_batch_1000_c8": Scenario(
        unit="metrics/s", rate=True, measure=_writes("/runs/log-batch", "batch_1000", 8, 1000),
        bound=lambda bounds: bounds.copied(1000),
    ),
    "batch_c40_errors": Scenario(unit="errors of 200", measure=_errors),
    "create_run_c8": Scenario(unit="requests/s", rate=True, measure=_create),
    "search_runs_100k": Scenario(unit="ms", measure=_reads("POST", "/runs/search", _search(""))),
    "search_runs_100k_by_metric": Scenario(
        unit="ms", measure=_reads("POST", "/runs/search", _search(', "order_by": ["metrics.metric_1 DESC"]'))
    ),
    "history_100k": Scenario(
        unit="ms", measure=_reads("GET", f"/metrics/get-history?run_id={HISTORY}&metric_key=loss", ""),
        bound=Bounds.history,
    ),
    # As the UI's charts ask.
    "history_sample_100k": Scenario(
        unit="ms",
        measure=_reads("GET", f"/metrics/get-history-bulk-interval?run_ids={HISTORY}&metric_key=loss", ""),
    ),
    "mlflow_client_epoch": Scenario(unit="s", measure=_epoch),
}  # fmt: skip
