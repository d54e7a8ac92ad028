"""A client in a process of its own: obeys orders on standard input, one JSON line each way."""

import contextlib
import json
import sys

import mlflow


def resume(run_id: str, metric: str, value: float, step: int) -> str:
    """Go on with a run that another process began; return its id."""
    with mlflow.start_run(run_id=run_id) as run:
        mlflow.log_metric(metric, value, step=step)
    return str(run.info.run_id)


def begin(experiment: str, tags: dict[str, str]) -> str:
    """Start a run, leave it open and return its id."""
    mlflow.set_experiment(experiment)
    return str(mlflow.start_run(tags=tags).info.run_id)


def finish(metric: str, values: list[float]) -> None:
    """Log a metric by step to the open run and end it."""
    for step, value in enumerate(values):
        mlflow.log_metric(metric, value, step=step)
    mlflow.end_run()


ORDERS = {"resume": resume, "begin": begin, "finish": finish}

if __name__ == "__main__":
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):  # MLflow prints links to the run
            answer = ORDERS[verb](**arguments)
        print(json.dumps(answer), flush=True)
