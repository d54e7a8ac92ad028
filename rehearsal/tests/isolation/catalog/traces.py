"""Traces, their spans, tags and assessments."""

from rehearsal.tests.isolation.entry import read, write
from rehearsal.tests.isolation.seed import span, trace_info

TAG = {"key": "{tag}", "value": "{fresh}"}
TRACE = "GET 3.0/mlflow/traces/{new_trace}"
LOCATION = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{experiment}"}}
IDS, EXPERIMENTS = {"trace_ids": ["{trace}"]}, {"experiment_ids": ["{experiment}"]}
OK = "trace.status = 'OK'"
ASSESSMENT = {
    "assessment_name": "fine",
    "trace_id": "{trace}",
    "feedback": {"value": "x"},
    "source": {"source_type": "HUMAN", "source_id": "{user}"},
}
COUNT = {"view_type": "TRACES", "metric_name": "trace_count", "aggregations": [{"aggregation_type": "COUNT"}]}
ENDED = {"request_id": "{new_trace}", "timestamp_ms": 9, "status": "OK"}
OTLP = (("Content-Type", "application/json"), ("x-mlflow-experiment-id", "{experiment}"))

ENTRIES = (
    write(
        "POST 3.0/mlflow/traces",
        {"trace": {"trace_info": trace_info("{experiment}", "tr-{fresh}", "x")}},
        seen=("GET 3.0/mlflow/traces/tr-{fresh}", "fresh", '"OK"'),
    ),
    write(
        "POST 3.0/mlflow/traces", {"trace": {"trace_info": trace_info("{experiment}", "{new_trace}", "x")}}
    ),
    read("GET 3.0/mlflow/traces/{trace}"),
    read("GET 3.0/mlflow/traces/get?trace_id={trace}"),
    read("GET 3.0/mlflow/traces/batchGet?trace_ids={trace}"),
    read("POST 3.0/mlflow/traces/batchGetInfos", IDS),
    read("POST 3.0/mlflow/traces/batchGetInfos", {**IDS, **EXPERIMENTS}),
    read("POST 3.0/mlflow/traces/search", {"locations": [LOCATION]}),
    read("POST 3.0/mlflow/traces/search", {"locations": [LOCATION], "filter": "run_id = '{run}'"}),
    read(
        "POST 3.0/mlflow/traces/calculate-filter-correlation",
        {
            **EXPERIMENTS,
            "filter_string1": OK,
            "filter_string2": OK,
        },
        shows="npmi",
    ),
    read("POST 3.0/mlflow/traces/metrics", {**EXPERIMENTS, **COUNT}, shows="count"),
    write("PATCH 3.0/mlflow/traces/{new_trace}/tags", TAG, seen=(TRACE, "fresh")),
    write("DELETE 3.0/mlflow/traces/{new_trace}/tags", {"key": "{tag}"}),
    write("POST 3.0/mlflow/traces/{trace}/assessments", {"assessment": ASSESSMENT}, shows="trace"),
    read("GET 3.0/mlflow/traces/{trace}/assessments/{assessment}"),
    write(
        "PATCH 3.0/mlflow/traces/{trace}/assessments/{new_assessment}",
        {
            "assessment": {**ASSESSMENT, "assessment_id": "{new_assessment}"},
            "update_mask": "feedback",
        },
    ),
    write(
        "DELETE 3.0/mlflow/traces/{trace}/assessments/{new_assessment}",
        gone="GET 3.0/mlflow/traces/{trace}/assessments/{new_assessment}",
    ),
    write(
        "POST 3.0/mlflow/traces/delete-traces",
        {"experiment_id": "{experiment}", "request_ids": ["{new_trace}"]},
        gone=TRACE,
    ),
    write(
        "POST 2.0/mlflow/traces/delete-traces",
        {"experiment_id": "{experiment}", "request_ids": ["{new_trace}"]},
        gone=TRACE,
    ),
    write(
        "POST 2.0/mlflow/traces/delete-traces",
        {
            "experiment_id": "{new_experiment}",
            "max_timestamp_millis": 9999999999999,
            "max_traces": 100,
        },
    ),
    write("POST 2.0/mlflow/traces", {"experiment_id": "{experiment}", "timestamp_ms": 1}, shows="experiment"),
    read("GET 2.0/mlflow/traces?experiment_ids={experiment}", shows="trace"),
    write("PATCH 2.0/mlflow/traces/{new_trace}", ENDED),
    read("GET 2.0/mlflow/traces/{trace}/info", shows="trace"),
    write("PATCH 2.0/mlflow/traces/{new_trace}/tags", TAG, seen=(TRACE, "fresh")),
    write("DELETE 2.0/mlflow/traces/{new_trace}/tags", {"key": "{tag}"}),
    write("POST 2.0/mlflow/traces/link-to-run", {**IDS, "run_id": "{new_run}"}),
    write(
        "POST 2.0/mlflow/traces/link-prompts",
        {
            "trace_id": "{new_trace}",
            "prompt_versions": [{"name": "{model_name}", "version": "{version}"}],
        },
    ),
    read("GET 3.0/mlflow/get-trace-artifact?request_id={trace}"),
    read("GET 2.0/mlflow/get-trace-artifact?request_id={trace}"),
    read("GET 3.0/mlflow/get-trace-artifact?request_id={trace}&path={attachment}"),
    write(
        "POST /v1/traces",
        span("{fresh}", "x"),
        headers=OTLP,
        seen=("GET 3.0/mlflow/traces/tr-{fresh}", "fresh", '"OK"'),
    ),
    write("POST /v1/traces", span("{new_trace_hex}", "x"), headers=OTLP),
)
