"""Logs for as long as it is let, with plain MLflow: value after value, each told once its call has returned.

Run as `logging_client.py RUN FOLDER`: it goes on with a run that there is. In the folder it writes `logged`,
the number of values, and ends once there is a file `end`.
"""

import sys
import time
from pathlib import Path

import mlflow

PAUSE = 0.02
EVERY = 25  # of the values one is a parameter, too
run_id, folder = sys.argv[1], Path(sys.argv[2])

with mlflow.start_run(run_id=run_id), (folder / "logged").open("w", buffering=1) as told:
    step = 0
    while not (folder / "end").exists():
        mlflow.log_metric("goes-on", float(step), step=step)
        if step % EVERY == 0:
            mlflow.log_param(f"at-{step}", step)
        step += 1
        told.write(f"{step}\n")
        time.sleep(PAUSE)
