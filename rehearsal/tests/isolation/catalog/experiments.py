"""Experiments, runs, metrics and what they logged."""

from rehearsal.tests.isolation.entry import read, write

TAG = {"key": "{tag}", "value": "{fresh}"}
RUN = "GET 2.0/mlflow/runs/get?run_id={new_run}"
EXPERIMENT = "GET 2.0/mlflow/experiments/get?experiment_id={new_experiment}"
LOGGED = '{"run_id": "{new_run}", "artifact_path": "m", "utc_time_created": "2026", "flavors": {"f": {}}}'
OF_RUN = {"run_id": "{run}"}
TABLE = {"dataset": {"name": "{fresh}", "digest": "d", "source_type": "local", "source": "x"}}
DELETE_RUN = write("POST 2.0/mlflow/runs/delete", {"run_id": "{new_run}"}, seen=(RUN, '"deleted"'))
DELETE_EXPERIMENT = write(
    "POST 2.0/mlflow/experiments/delete",
    {"experiment_id": "{new_experiment}"},
    seen=(EXPERIMENT, '"deleted"'),
)

ENTRIES = (
    write("POST 2.0/mlflow/experiments/create", {"name": "{fresh}"}, shows="experiment_id"),
    write("POST 2.0/mlflow/experiments/create", {"name": "{fresh}", "tags": [TAG]}),
    DELETE_EXPERIMENT,
    write(
        "POST 2.0/mlflow/experiments/restore",
        {"experiment_id": "{new_experiment}"},
        before=(DELETE_EXPERIMENT,),
        seen=(EXPERIMENT, '"active"'),
    ),
    write(
        "POST 2.0/mlflow/experiments/update",
        {"experiment_id": "{new_experiment}", "new_name": "{fresh}"},
        seen=(EXPERIMENT, "fresh"),
    ),
    write(
        "POST 2.0/mlflow/experiments/set-experiment-tag",
        {"experiment_id": "{new_experiment}", **TAG},
        seen=(EXPERIMENT, "fresh"),
    ),
    write(
        "POST 2.0/mlflow/experiments/delete-experiment-tag",
        {"experiment_id": "{new_experiment}", "key": "{tag}"},
    ),
    read("GET 2.0/mlflow/experiments/get?experiment_id={experiment}"),
    read("GET 2.0/mlflow/experiments/get-by-name?experiment_name={experiment_name}"),
    read("GET 2.0/mlflow/experiments/search?max_results=100&filter=name='{experiment_name}'"),
    read("POST 2.0/mlflow/experiments/search", {"max_results": 1000, "view_type": "ALL"}),
    read(
        "POST 2.0/mlflow/experiments/search-datasets",
        {"experiment_ids": ["{experiment}"]},
        shows="table_name",
    ),
    write(
        "POST 2.0/mlflow/runs/create", {"experiment_id": "{experiment}", "run_name": "{fresh}"}, shows="fresh"
    ),
    write(
        "POST 2.0/mlflow/runs/update",
        {"run_id": "{new_run}", "status": "FINISHED", "run_name": "{fresh}"},
        seen=(RUN, "fresh", "FINISHED"),
    ),
    DELETE_RUN,
    write(
        "POST 2.0/mlflow/runs/restore", {"run_id": "{new_run}"}, before=(DELETE_RUN,), seen=(RUN, '"active"')
    ),
    write(
        "POST 2.0/mlflow/runs/log-metric",
        {"run_id": "{new_run}", "key": "{metric}", "value": 9, "timestamp": 8},
        seen=(RUN, "metric"),
    ),
    write(
        "POST 2.0/mlflow/runs/log-metric",
        {
            "run_id": "{new_run}",
            "key": "{metric}",
            "value": 9,
            "timestamp": 8,
            "model_id": "{logged_model}",
            "dataset_name": "{table_name}",
            "dataset_digest": "d1",
        },
    ),
    write(
        "POST 2.0/mlflow/runs/log-parameter",
        {"run_id": "{new_run}", "key": "{fresh}", "value": "x"},
        seen=(RUN, "fresh"),
    ),
    write(
        "POST 2.0/mlflow/runs/log-batch",
        {
            "run_id": "{new_run}",
            "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 1}],
            "tags": [TAG],
            "params": [{"key": "p", "value": "x"}],
        },
        seen=(RUN, "fresh", '"metrics"', '"params"'),
    ),
    write("POST 2.0/mlflow/runs/log-inputs", {**OF_RUN, "datasets": [TABLE]}),
    write(
        "POST 2.0/mlflow/runs/log-inputs",
        {"run_id": "{new_run}", "models": [{"model_id": "{logged_model}"}]},
        seen=(RUN, "logged_model"),
    ),
    write(
        "POST 2.0/mlflow/runs/outputs",
        {"run_id": "{new_run}", "models": [{"model_id": "{logged_model}", "step": 1}]},
        seen=(RUN, "logged_model"),
    ),
    write(
        "POST 2.0/mlflow/runs/log-model",
        {
            "run_id": "{new_run}",
            "model_json": LOGGED,
        },
    ),
    write("POST 2.0/mlflow/runs/set-tag", {"run_id": "{new_run}", **TAG}, seen=(RUN, "fresh")),
    write("POST 2.0/mlflow/runs/set-tag", {"run_uuid": "{new_run}", **TAG}, seen=(RUN, "fresh")),
    write("POST 2.0/mlflow/runs/delete-tag", {"run_id": "{new_run}", "key": "{tag}"}),
    read("GET 2.0/mlflow/runs/get?run_id={run}"),
    read("GET 2.0/mlflow/runs/get?run_uuid={run}"),
    read("POST 2.0/mlflow/runs/search", {"experiment_ids": ["{experiment}"]}),
    read(
        "POST 2.0/mlflow/runs/search",
        {
            "experiment_ids": ["{experiment}"],
            "filter": "attributes.run_id = '{run}'",
            "run_view_type": "ALL",
        },
    ),
    read("GET 2.0/mlflow/metrics/get-history?run_id={run}&metric_key={metric}", shows="metric"),
    read("GET 2.0/mlflow/metrics/get-history-bulk?run_id={run}&metric_key={metric}", shows="run"),
    read("GET 2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run}&metric_key={metric}", shows="run"),
    read("GET 2.0/mlflow/artifacts/list?run_id={run}", shows="file"),
    read("GET 2.0/mlflow/artifacts/list?run_uuid={run}&path=folder", shows="file"),
    read("GET /get-artifact?run_id={run}&path=note.txt"),
    read("GET /get-artifact?run_uuid={run}&path=folder%2Fnote.txt"),
)
