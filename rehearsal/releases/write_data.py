"""Writes what a team would have, with whichever client runs this: MLFLOW_TRACKING_URI says where.

It prints the ids of an experiment and of a run in it that goes on.
"""

import math

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

RUNS = 3
STEPS = 40
UNUSUAL = {"nan": math.nan, "inf": math.inf, "minus-inf": -math.inf, "tiny": 5e-324, "negative": -1e300}

client = MlflowClient()
experiment = client.create_experiment("tumours", tags={"owner": "vision", "note": "größer, ≥ 3 mm"})
model = client.create_registered_model("segmentation", tags={"stage": "trial"}, description="of tumours")
for number in range(RUNS):
    run_id = client.create_run(experiment, run_name=f"run-{number}", tags={"commit": "c0ffee"}).info.run_id
    metrics = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(STEPS)]
    metrics += [Metric(key, value, 1_700_000_000_000, 0) for key, value in UNUSUAL.items()]
    params = [Param("learning_rate", "0.01"), Param("long", "x" * 500), Param("empty", "")]
    client.log_batch(run_id, metrics=metrics, params=params, tags=[RunTag("colour", "blue")])
    client.log_metric(run_id, "loss", 0.001, step=STEPS)
    client.set_terminated(run_id, "FAILED" if number == 1 else "FINISHED")
    source = f"s3://models/{number}"
    version = client.create_model_version(model.name, source, run_id=run_id, tags={"n": str(number)}).version
    client.set_registered_model_alias(model.name, f"alias-{number}", version)
client.delete_run(client.create_run(experiment, run_name="removed").info.run_id)
client.delete_experiment(client.create_experiment("given-up"))

mlflow.set_experiment(experiment_id=experiment)
with mlflow.start_span("predict") as span:
    span.set_inputs({"image": "1.png"})
    span.set_outputs({"tumours": 2})
    span.set_attribute("mlflow.llm.model", "segmentation")

goes_on = client.create_run(experiment, run_name="goes-on")
client.log_metric(goes_on.info.run_id, "loss", 9.0, step=0)
print(experiment, goes_on.info.run_id)
