"""The training script of the chaos rehearsal: plain MLflow, and a ledger beside it.

Environment:
    CHAOS_NAME: name of its first run, beginning of the others'.
    CHAOS_SEED: what it logs.
    CHAOS_LEDGER: the file that says so.
    CHAOS_SECONDS: how long it trains, about.
    CHAOS_FAILS_AT: the epoch in which it raises, or -1.
    CHAOS_LARGE: 1 when it logs a file that goes to S3 in parts.
    CHAOS_REFUSED: how many of its parameters the server must refuse.
"""

import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import mlflow

from rehearsal.chaos.ledger import Entry, Ledger

EPOCHS, BURST = 12, 25
LARGE_BYTES = 9 * 1024 * 1024  # beyond 8 MiB boto3 sends parts

NAME = os.environ["CHAOS_NAME"]
RANDOM = Random(os.environ["CHAOS_SEED"])  # noqa: S311 - repeats, by a seed
PAUSE = float(os.environ["CHAOS_SECONDS"]) / EPOCHS
LEDGER = Ledger(os.environ["CHAOS_LEDGER"])


@contextmanager
def run(name: str, parent: str = "") -> Iterator[None]:
    """Start a run as everybody does, noted from both sides."""
    with LEDGER.call(Entry(name, "start", parent)) as call:
        active = mlflow.start_run(run_name=name, nested=bool(parent))
        call.told = active.info.run_id
    end = 0
    with active:
        yield
        end = LEDGER.begin(Entry(name, "end", value="FINISHED"))
    LEDGER.end(end)


def metric(name: str, key: str, value: float, step: int | None) -> None:
    """Log one value of a metric."""
    with LEDGER.call(Entry(name, "metric", key, repr(float(value)), step or 0)):
        if step is None:
            mlflow.log_metric(key, value)
        else:
            mlflow.log_metric(key, value, step=step)


def params(name: str, values: dict[str, str | float]) -> None:
    """Log parameters in one call."""
    with LEDGER.call(*(Entry(name, "param", key, str(value)) for key, value in values.items())):
        mlflow.log_params(values)


def artifact(name: str, folder: Path, path: str, content: bytes) -> None:
    """Log a file and remove it, as people do with temporary ones."""
    file = folder / Path(path).name
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with LEDGER.call(Entry(name, "artifact", path, digest)):
        mlflow.log_artifact(str(file), str(Path(path).parent) if "/" in path else None)
    file.unlink()


def epoch(name: str, number: int) -> None:
    """Train a little."""
    values = {"loss": RANDOM.random(), "läuft/gut": RANDOM.uniform(-1e9, 1e9)}
    with LEDGER.call(*(Entry(name, "metric", k, repr(v), number) for k, v in values.items())):
        mlflow.log_metrics(values, step=number)
    metric(name, "constant", 1.0, None)
    metric(name, "constant", 1.0, None)
    if number % 4 == 0:
        # A loop that is faster than a clock's millisecond.
        for step in range(BURST):
            metric(name, "burst", RANDOM.choice((0.0, 1.0)), step % 2)
    with LEDGER.call(Entry(name, "tag", "epoch", str(number))):
        mlflow.set_tag("epoch", number)
    time.sleep(RANDOM.uniform(0, 2 * PAUSE))


def train(folder: Path) -> None:
    """Train: parameters, epochs, a nested run, artifacts of every size."""
    mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
    fails_at = int(os.environ["CHAOS_FAILS_AT"])
    with run(NAME):
        params(NAME, {"rate": RANDOM.random(), "näme": "x" * RANDOM.randrange(1, 3000), "seed": NAME})
        with LEDGER.call(Entry(NAME, "param", "depth", "3")):
            mlflow.log_param("depth", 3)
        for number in range(int(os.environ["CHAOS_REFUSED"])):
            # A parameter cannot change: alone MLflow raises here, in the background the server says no.
            with LEDGER.call(Entry(NAME, "param", "depth", f"changed {number}")):
                mlflow.log_param("depth", f"changed {number}")
        metric(NAME, "broken", math.nan, 0)
        for number in range(EPOCHS // 2):
            epoch(NAME, number)
            if number == fails_at:
                raise ArithmeticError("loss is not a number")
        artifact(NAME, folder, "notes.txt", f"of {NAME}".encode())
        if os.environ["CHAOS_LARGE"] == "1":
            artifact(NAME, folder, "models/weights.bin", RANDOM.randbytes(LARGE_BYTES))
        inner(folder, fails_at)
        for number in range(EPOCHS // 2, EPOCHS):
            epoch(NAME, number)
            if number == fails_at:
                raise ArithmeticError("loss is not a number")
        artifact(NAME, folder, "notes/last.txt", RANDOM.randbytes(RANDOM.randrange(100_000)))


def inner(folder: Path, fails_at: int) -> None:
    """Try something in a run of its own."""
    name = f"{NAME}-inner"
    with run(name, parent=NAME):
        params(name, {"depth": 4, "rate": RANDOM.random()})
        metric(name, "accuracy", RANDOM.random(), 1)
        if fails_at == EPOCHS // 2:
            raise ArithmeticError("inside")
        summary = {"of": name, "accuracy": RANDOM.random()}
        # As MLflow writes it.
        digest = hashlib.sha256(json.dumps(summary, indent=2).encode()).hexdigest()
        with LEDGER.call(Entry(name, "artifact", "summary.json", digest)):
            mlflow.log_dict(summary, "summary.json")
        artifact(name, folder, "inner.txt", RANDOM.randbytes(100))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        train(Path(temporary))
