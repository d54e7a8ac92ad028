"""What each team has before the matrix begins: one thing of each kind that MLflow keeps, with the team's mark."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from rehearsal.tests.isolation.client import Api

Put = Callable[[str, bytes], None]

SCORER = {
    "name": "s",
    "instructions_judge_pydantic_data": {"instructions": "{{ outputs }}", "model": "openai:/x"},
}
ROOT_SPAN = "00000000000000aa"
# Names that each team uses.
EVERYWHERE = {
    "user": "ada",
    "metric": "loss",
    "tag": "note",
    "param": "rate",
    "file": "note.txt",
    "attachment": "a0a0a0a0-0000-4000-8000-000000000000",
    "icon": "favicon.ico",
    "any": "any",
    "alias": "champion",
}


def span(trace_hex: str, name: str) -> dict[str, Any]:
    """Return an OTLP request with one root span."""
    now = time.time_ns()
    made = {
        "traceId": trace_hex,
        "spanId": ROOT_SPAN,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1000),
        "status": {"code": 1},
        "attributes": [
            {"key": "mlflow.traceRequestId", "value": {"stringValue": json.dumps(f"tr-{trace_hex}")}}
        ],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [made]}]}]}


def trace_info(experiment: str, trace: str, mark: str) -> dict[str, object]:
    """Return what a client sends when a trace begins."""
    return {
        "trace_id": trace,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_time": "2026-01-02T03:04:05Z",
        "state": "OK",
        "tags": {"note": mark},
        "trace_metadata": {"mlflow.trace_schema.version": "3"},
        "request_preview": mark,
    }


def seed(api: Api, put: Put, team: str) -> dict[str, str]:
    """Make everything of one team and return it by name."""
    mark = f"{team}-{secrets.token_hex(8)}"
    own = {"mark": mark, "team": team, **EVERYWHERE}
    for name in ("experiment", "model", "dataset", "scorer", "schema", "queue", "table"):
        own[f"{name}_name"] = f"{team}-{name}-{secrets.token_hex(4)}"
    _seed_run(api, put, own)
    _seed_trace(api, put, own)
    _seed_models(api, put, own)
    _seed_evaluation(api, own)
    return own


def _seed_run(api: Api, put: Put, own: dict[str, str]) -> None:
    tags = [{"key": "note", "value": own["mark"]}]
    made = api("POST", "2.0/mlflow/experiments/create", {"name": own["experiment_name"], "tags": tags})
    own["experiment"] = made["experiment_id"]
    about = {"experiment_id": own["experiment"], "run_name": own["mark"], "start_time": 1, "tags": tags}
    info = api("POST", "2.0/mlflow/runs/create", about)["run"]["info"]
    own["run"], own["run_uri"] = info["run_id"], info["artifact_uri"]
    metrics = [{"key": "loss", "value": 0.25 + step, "timestamp": 7, "step": step} for step in (1, 2)]
    batch = {"metrics": metrics, "params": [{"key": "rate", "value": own["mark"]}]}
    api("POST", "2.0/mlflow/runs/log-batch", {"run_id": own["run"], **batch})
    table = {"name": own["table_name"], "digest": "d1", "source_type": "local", "source": own["mark"]}
    api("POST", "2.0/mlflow/runs/log-inputs", {"run_id": own["run"], "datasets": [{"dataset": table}]})
    own["artifact"] = f"{own['experiment']}/{own['run']}/artifacts/note.txt"
    for name in ("note.txt", "folder/note.txt"):
        put(f"{own['run_uri']}/{name}", own["mark"].encode())


def _seed_trace(api: Api, put: Put, own: dict[str, str]) -> None:
    own["trace_hex"] = secrets.token_hex(16)
    own["trace"] = f"tr-{own['trace_hex']}"
    info = trace_info(own["experiment"], own["trace"], own["mark"])
    kept = api("POST", "3.0/mlflow/traces", {"trace": {"trace_info": info}})["trace"]["trace_info"]
    own["trace_uri"] = kept["tags"]["mlflow.artifactLocation"]
    put(f"{own['trace_uri']}/attachments/{own['attachment']}", own["mark"].encode())
    headers = (("Content-Type", "application/json"), ("x-mlflow-experiment-id", own["experiment"]))
    api("POST", "/v1/traces", span(own["trace_hex"], own["mark"]), *headers)
    said = {"assessment_name": "fine", "feedback": {"value": own["mark"]}, "trace_id": own["trace"]}
    source = {"source": {"source_type": "HUMAN", "source_id": own["user"]}}
    path = f"3.0/mlflow/traces/{own['trace']}/assessments"
    own["assessment"] = api("POST", path, {"assessment": said | source})["assessment"]["assessment_id"]
    link = {"trace_ids": [own["trace"]], "run_id": own["run"]}
    api("POST", "2.0/mlflow/traces/link-to-run", link)


def _seed_models(api: Api, put: Put, own: dict[str, str]) -> None:
    tags = [{"key": "note", "value": own["mark"]}]
    about = {"experiment_id": own["experiment"], "name": "net", "source_run_id": own["run"], "tags": tags}
    info = api("POST", "2.0/mlflow/logged-models", about)["model"]["info"]
    own["logged_model"], own["logged_model_uri"] = info["model_id"], info["artifact_uri"]
    put(f"{own['logged_model_uri']}/note.txt", own["mark"].encode())
    ready = {"model_id": own["logged_model"], "status": "LOGGED_MODEL_READY"}
    api("PATCH", f"2.0/mlflow/logged-models/{own['logged_model']}", ready)
    api(
        "POST",
        "2.0/mlflow/registered-models/create",
        {"name": own["model_name"], "description": own["mark"], "tags": tags},
    )
    version = {"name": own["model_name"], "source": own["run_uri"], "run_id": own["run"], "tags": tags}
    made = api("POST", "2.0/mlflow/model-versions/create", {**version, "description": own["mark"]})
    own["version"] = made["model_version"]["version"]
    alias = {"name": own["model_name"], "alias": own["alias"], "version": own["version"]}
    api("POST", "2.0/mlflow/registered-models/alias", alias)


def _seed_evaluation(api: Api, own: dict[str, str]) -> None:
    of, tags = {"experiment_id": own["experiment"]}, json.dumps({"note": own["mark"]})
    about = {"name": own["dataset_name"], "experiment_ids": [own["experiment"]], "tags": tags}
    own["dataset"] = api("POST", "3.0/mlflow/datasets/create", about)["dataset"]["dataset_id"]
    records = json.dumps([{"inputs": {"question": own["mark"]}, "expectations": {"answer": "yes"}}])
    api("POST", f"3.0/mlflow/datasets/{own['dataset']}/records", {"records": records})
    kept = api("GET", f"3.0/mlflow/datasets/{own['dataset']}/records")["records"]
    own["record"] = json.loads(kept)[0]["dataset_record_id"]
    judge = SCORER | {"name": own["scorer_name"], "description": own["mark"]}
    scorer = {**of, "name": own["scorer_name"], "serialized_scorer": json.dumps(judge)}
    api("POST", "3.0/mlflow/scorers/register", scorer)
    schema = {
        **of,
        "name": own["schema_name"],
        "type": "FEEDBACK",
        "input": {"text": {}},
        "instruction": own["mark"],
    }
    own["schema"] = api("POST", "3.0/mlflow/label-schemas/create", schema)["label_schema"]["schema_id"]
    # The first look at an experiment's schemas makes a default one: a read that writes.
    api("GET", f"3.0/mlflow/label-schemas/list?experiment_id={own['experiment']}")
    queue = {
        **of,
        "name": own["queue_name"],
        "queue_type": "CUSTOM",
        "schema_ids": [own["schema"]],
        "users": [own["user"]],
    }
    own["queue"] = api("POST", "3.0/mlflow/review-queues/create", queue)["review_queue"]["queue_id"]
    items = {"queue_id": own["queue"], "item_type": "TRACE", "item_ids": [own["trace"]]}
    api("POST", "3.0/mlflow/review-queues/items/add", items)
    issue = {**of, "name": "slow", "description": own["mark"], "source_run_id": own["run"]}
    own["issue"] = api("POST", "3.0/mlflow/issues", issue)["issue"]["issue_id"]
