"""An id of another team answers as one that does not exist, and what they have stays as it is."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.tests.two_workspaces import Team, serving

AJAX = "/ajax-api/2.0/mlflow/"
V3 = "/api/3.0/mlflow/"
# What nobody has, in the form of each kind of id.
UNKNOWN = {
    "experiment": "987654",
    "dead": "987653",
    "run": "0123456789abcdef0123456789abcdef",
    "model": "m-0123456789abcdef0123456789abcdef",
    "trace": "tr-0123456789abcdef0123456789abcdef",
    "trace2": "tr-0123456789abcdef0123456789abcde2",
    "assessment": "a-0123456789abcdef0123456789abcdef",
    "dataset": "d-0123456789abcdef0123456789abcdef",
    "issue": "iss-0123456789abcdef0123456789abcdef",
    "schema": "ls-0123456789abcdef0123456789abcdef",
    "queue": "rq-0123456789abcdef0123456789abcdef",
    "registered": "nobody-has-this",
    "name": "nobody-has-this-either",
}
PNG = {
    "assessment_name": "good",
    "source": {"source_type": "HUMAN", "source_id": "x"},
    "feedback": {"value": 1},
}
DATASET = {"name": "d", "digest": "x", "source_type": "local", "source": "{}"}
METRIC = {"key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
FILTERS = {"filter_string1": "status = 'OK'", "filter_string2": "status = 'OK'"}
COUNT = {"view_type": "TRACES", "metric_name": "trace_count", "aggregations": [{"aggregation_type": "COUNT"}]}
LOCATION = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "<experiment>"}}
INFO = {
    "trace_id": "tr-new",
    "trace_location": LOCATION,
    "request_time": "2026-11-23T12:00:00Z",
    "state": "OK",
}
GRAPHQL = """
query Q($run: MlflowGetRunInput, $experiment: MlflowGetExperimentInput, $files: MlflowListArtifactsInput,
        $runs: MlflowSearchRunsInput, $metric: MlflowGetMetricHistoryBulkIntervalInput) {
  %s
}
"""
# <so> stands for an id of theirs, {so} for one of ours.
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "experiments/get?experiment_id=<experiment>", None),
    ("GET", "experiments/get-by-name?experiment_name=<name>", None),
    ("POST", "experiments/delete", {"experiment_id": "<experiment>"}),
    ("POST", "experiments/restore", {"experiment_id": "<dead>"}),
    ("POST", "experiments/update", {"experiment_id": "<experiment>", "new_name": "x"}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "<experiment>", "key": "k", "value": "v"}),
    ("POST", "experiments/delete-experiment-tag", {"experiment_id": "<experiment>", "key": "k"}),
    ("POST", "experiments/search", {"max_results": 100, "filter": "name = '<name>'"}),
    ("POST", AJAX + "experiments/search-datasets", {"experiment_ids": ["<experiment>"]}),
    ("POST", "runs/create", {"experiment_id": "<experiment>"}),
    ("GET", "runs/get?run_id=<run>", None),
    ("POST", "runs/update", {"run_id": "<run>", "status": "FINISHED"}),
    ("POST", "runs/delete", {"run_id": "<run>"}),
    ("POST", "runs/restore", {"run_id": "<run>"}),
    ("POST", "runs/log-metric", {"run_id": "<run>", **METRIC}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "model_id": "<model>", **METRIC}),
    ("POST", "runs/log-parameter", {"run_id": "<run>", "key": "k", "value": "v"}),
    ("POST", "runs/set-tag", {"run_id": "<run>", "key": "k", "value": "v"}),
    ("POST", "runs/set-tag", {"run_id": "<run>", "key": "mlflow.user", "value": "v"}),
    ("POST", "runs/delete-tag", {"run_id": "<run>", "key": "k"}),
    ("POST", "runs/delete-tag", {"run_id": "<run>", "key": "mlflow.user"}),
    ("POST", "runs/log-batch", {"run_id": "<run>", "metrics": [METRIC]}),
    ("POST", "runs/log-batch", {"run_id": "<run>", "tags": [{"key": "mlflow.user", "value": "v"}]}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [METRIC | {"model_id": "<model>"}]}),
    ("POST", "runs/log-inputs", {"run_id": "<run>", "datasets": [{"dataset": DATASET}]}),
    ("POST", "runs/log-inputs", {"run_id": "{sink}", "models": [{"model_id": "<model>"}]}),
    ("POST", "runs/outputs", {"run_id": "<run>", "models": [{"model_id": "<model>", "step": 1}]}),
    ("POST", "runs/outputs", {"run_id": "{sink}", "models": [{"model_id": "<model>", "step": 1}]}),
    (
        "POST",
        "runs/log-model",
        {
            "run_id": "<run>",
            "model_json": json.dumps(
                {"artifact_path": "m", "flavors": {}, "utc_time_created": "x", "run_id": "x"}
            ),
        },
    ),
    ("POST", "runs/search", {"experiment_ids": ["<experiment>"]}),
    ("POST", "runs/search", {"experiment_ids": ["<experiment>", "{experiment}"]}),
    ("GET", "metrics/get-history?run_id=<run>&metric_key=loss", None),
    ("GET", AJAX + "metrics/get-history-bulk?run_id=<run>&metric_key=loss", None),
    ("GET", AJAX + "metrics/get-history-bulk?run_id=<run>&run_id={run}&metric_key=loss", None),
    ("GET", AJAX + "metrics/get-history-bulk-interval?run_ids=<run>&metric_key=loss&max_results=9", None),
    ("GET", "metrics/get-history-bulk-interval?run_ids=<run>&metric_key=loss&max_results=9", None),
    ("GET", "artifacts/list?run_id=<run>", None),
    ("GET", "/get-artifact?run_id=<run>&path=x", None),
    ("GET", "/model-versions/get-artifact?name=<registered>&version=1&path=x", None),
    ("POST", "logged-models", {"experiment_id": "<experiment>", "name": "x"}),
    ("GET", "logged-models/<model>", None),
    ("PATCH", "logged-models/<model>", {"model_id": "<model>", "status": 2}),
    ("DELETE", "logged-models/<model>", None),
    ("POST", "logged-models/<model>/params", {"model_id": "<model>", "params": [{"key": "k", "value": "v"}]}),
    ("PATCH", "logged-models/<model>/tags", {"tags": [{"key": "k", "value": "v"}]}),
    ("PATCH", "logged-models/<model>/tags", {"tags": [{"key": "mlflow.user", "value": "v"}]}),
    ("DELETE", "logged-models/<model>/tags/k", None),
    ("DELETE", "logged-models/<model>/tags/mlflow.user", None),
    ("GET", "logged-models/<model>/artifacts/directories", None),
    ("GET", AJAX + "logged-models/<model>/artifacts/files?artifact_file_path=x", None),
    ("POST", "logged-models/search", {"experiment_ids": ["<experiment>"]}),
    ("POST", "logged-models/search", {"experiment_ids": ["{experiment}"], "filter": "model_id = '<model>'"}),
    ("POST", "registered-models/rename", {"name": "<registered>", "new_name": "x"}),
    ("PATCH", "registered-models/update", {"name": "<registered>", "description": "x"}),
    ("DELETE", "registered-models/delete", {"name": "<registered>"}),
    ("GET", "registered-models/get?name=<registered>", None),
    ("GET", "registered-models/search?filter=name%3D'<registered>'", None),
    ("GET", "registered-models/get-latest-versions?name=<registered>", None),
    ("POST", "registered-models/get-latest-versions", {"name": "<registered>"}),
    ("POST", "registered-models/set-tag", {"name": "<registered>", "key": "k", "value": "v"}),
    ("DELETE", "registered-models/delete-tag", {"name": "<registered>", "key": "k"}),
    ("POST", "registered-models/alias", {"name": "<registered>", "alias": "champion", "version": "1"}),
    ("DELETE", "registered-models/alias", {"name": "<registered>", "alias": "champion"}),
    ("GET", "registered-models/alias?name=<registered>&alias=champion", None),
    (
        "POST",
        "model-versions/create",
        {"name": "<registered>", "source": "s3://bucket/workspaces/vision/1/m"},
    ),
    ("POST", "model-versions/create", {"name": "{registered}", "source": "models:/<registered>/1"}),
    ("POST", "model-versions/create", {"name": "{registered}", "source": "models:/<registered>@champion"}),
    (
        "POST",
        "model-versions/create",
        {"name": "{registered}", "source": "models:/<model>", "model_id": "<model>"},
    ),
    ("POST", "model-versions/create", {"name": "{registered}", "source": "runs:/<run>/m", "run_id": "<run>"}),
    ("GET", "model-versions/get?name=<registered>&version=1", None),
    ("PATCH", "model-versions/update", {"name": "<registered>", "version": "1", "description": "x"}),
    ("DELETE", "model-versions/delete", {"name": "<registered>", "version": "1"}),
    (
        "POST",
        "model-versions/transition-stage",
        {"name": "<registered>", "version": "1", "stage": "Production", "archive_existing_versions": False},
    ),
    ("GET", "model-versions/get-download-uri?name=<registered>&version=1", None),
    ("GET", "model-versions/search?filter=name%3D'<registered>'", None),
    ("GET", "model-versions/search?filter=run_id%3D'<run>'", None),
    ("POST", "model-versions/set-tag", {"name": "<registered>", "version": "1", "key": "k", "value": "v"}),
    ("DELETE", "model-versions/delete-tag", {"name": "<registered>", "version": "1", "key": "k"}),
    ("POST", V3 + "traces", {"trace": {"trace_info": INFO}}),
    ("POST", "traces", {"experiment_id": "<experiment>", "timestamp_ms": 1}),
    ("PATCH", "traces/<trace>", {"timestamp_ms": 2, "status": "OK"}),
    ("GET", "traces/<trace>/info", None),
    ("GET", "traces?experiment_ids=<experiment>", None),
    ("PATCH", "traces/<trace>/tags", {"key": "k", "value": "v"}),
    ("DELETE", "traces/<trace>/tags", {"key": "k"}),
    ("PATCH", V3 + "traces/<trace>/tags", {"key": "k", "value": "v"}),
    ("DELETE", V3 + "traces/<trace>/tags", {"key": "k"}),
    ("GET", V3 + "traces/<trace>", None),
    ("GET", V3 + "traces/get?trace_id=<trace>&allow_partial=true", None),
    ("GET", V3 + "traces/batchGet?trace_ids=<trace>", None),
    ("GET", V3 + "traces/batchGet?trace_ids=<trace>&trace_ids={trace}&experiment_ids=<experiment>", None),
    ("POST", V3 + "traces/batchGetInfos", {"trace_ids": ["<trace>"]}),
    ("POST", V3 + "traces/batchGetInfos", {"trace_ids": ["<trace>"], "experiment_ids": ["<experiment>"]}),
    ("POST", V3 + "traces/search", {"locations": [LOCATION]}),
    (
        "POST",
        V3 + "traces/search",
        {
            "locations": [json.loads(json.dumps(LOCATION).replace("<experiment>", "{experiment}"))],
            "filter": "run_id = '<run>'",
        },
    ),
    ("POST", "traces/delete-traces", {"experiment_id": "<experiment>", "request_ids": ["<trace>"]}),
    ("POST", V3 + "traces/delete-traces", {"experiment_id": "{experiment}", "request_ids": ["<trace>"]}),
    (
        "POST",
        V3 + "traces/delete-traces",
        {"experiment_id": "<experiment>", "max_timestamp_millis": 99999999999999, "max_traces": 9},
    ),
    ("POST", V3 + "traces/calculate-filter-correlation", {"experiment_ids": ["<experiment>"], **FILTERS}),
    ("POST", V3 + "traces/metrics", {"experiment_ids": ["<experiment>"], **COUNT}),
    ("POST", "traces/link-to-run", {"trace_ids": ["{trace}"], "run_id": "<run>"}),
    ("POST", "traces/link-to-run", {"trace_ids": ["<trace>"], "run_id": "{sink}"}),
    (
        "POST",
        "traces/link-prompts",
        {"trace_id": "<trace>", "prompt_versions": [{"name": "p", "version": "1"}]},
    ),
    ("GET", AJAX + "get-trace-artifact?request_id=<trace>", None),
    (
        "GET",
        AJAX + "get-trace-artifact?request_id=<trace>&path=0b6e5b1a-5b1a-4b1a-8b1a-0b6e5b1a5b1a",
        None,
    ),
    ("POST", V3 + "traces/<trace>/assessments", {"assessment": PNG}),
    ("POST", V3 + "traces/{trace}/assessments", {"assessment": PNG | {"overrides": "<assessment>"}}),
    ("GET", V3 + "traces/<trace>/assessments/<assessment>", None),
    ("GET", V3 + "traces/{trace}/assessments/<assessment>", None),
    (
        "PATCH",
        V3 + "traces/<trace>/assessments/<assessment>",
        {"assessment": PNG, "update_mask": "rationale"},
    ),
    (
        "PATCH",
        V3 + "traces/{trace}/assessments/<assessment>",
        {"assessment": PNG, "update_mask": "rationale"},
    ),
    ("DELETE", V3 + "traces/<trace>/assessments/<assessment>", None),
    ("DELETE", V3 + "traces/{trace}/assessments/<assessment>", None),
    ("POST", V3 + "datasets/create", {"name": "x", "experiment_ids": ["<experiment>"]}),
    ("GET", V3 + "datasets/<dataset>", None),
    ("DELETE", V3 + "datasets/<dataset>", None),
    ("POST", V3 + "datasets/search", {"experiment_ids": ["<experiment>"]}),
    ("PATCH", V3 + "datasets/<dataset>/tags", {"tags": '{"k": "v"}'}),
    ("DELETE", V3 + "datasets/<dataset>/tags/k", None),
    ("POST", V3 + "datasets/<dataset>/records", {"records": '[{"inputs": {"q": 1}}]'}),
    ("GET", V3 + "datasets/<dataset>/records", None),
    ("DELETE", V3 + "datasets/<dataset>/records", {"dataset_record_ids": ["x"]}),
    ("GET", V3 + "datasets/<dataset>/experiment-ids", None),
    ("POST", V3 + "datasets/<dataset>/add-experiments", {"experiment_ids": ["{experiment}"]}),
    ("POST", V3 + "datasets/{dataset}/add-experiments", {"experiment_ids": ["<experiment>"]}),
    ("POST", V3 + "datasets/<dataset>/remove-experiments", {"experiment_ids": ["<experiment>"]}),
    ("POST", V3 + "issues", {"experiment_id": "<experiment>", "name": "x", "description": "x"}),
    (
        "POST",
        V3 + "issues",
        {"experiment_id": "{experiment}", "name": "x", "description": "x", "source_run_id": "<run>"},
    ),
    ("GET", V3 + "issues/<issue>", None),
    ("PATCH", V3 + "issues/<issue>", {"issue_id": "<issue>", "name": "y"}),
    ("POST", V3 + "issues/search", {"experiment_id": "<experiment>"}),
    ("POST", V3 + "issues/search", {"filter_string": "source_run_id = '<run>'"}),
    (
        "POST",
        V3 + "label-schemas/create",
        {"experiment_id": "<experiment>", "name": "q", "type": "FEEDBACK", "input": {"text": {}}},
    ),
    ("GET", V3 + "label-schemas/get?schema_id=<schema>", None),
    ("GET", V3 + "label-schemas/get-by-name?experiment_id=<experiment>&name=q", None),
    ("GET", V3 + "label-schemas/list?experiment_id=<experiment>", None),
    ("PATCH", V3 + "label-schemas/update", {"schema_id": "<schema>", "instruction": "x"}),
    ("DELETE", V3 + "label-schemas/delete", {"schema_id": "<schema>"}),
    (
        "POST",
        V3 + "review-queues/create",
        {"experiment_id": "<experiment>", "name": "q", "queue_type": "CUSTOM"},
    ),
    (
        "POST",
        V3 + "review-queues/create",
        {"experiment_id": "{experiment}", "name": "q9", "queue_type": "CUSTOM", "schema_ids": ["<schema>"]},
    ),
    ("POST", V3 + "review-queues/get-or-create-user", {"experiment_id": "<experiment>", "user": "u"}),
    ("GET", V3 + "review-queues/get?queue_id=<queue>", None),
    ("GET", V3 + "review-queues/get-by-name?experiment_id=<experiment>&name=q", None),
    ("GET", V3 + "review-queues/list?experiment_id=<experiment>", None),
    ("GET", V3 + "review-queues/list?experiment_id={experiment}&item_id=<trace>", None),
    ("POST", V3 + "review-queues/update", {"queue_id": "<queue>", "name": "x"}),
    ("POST", V3 + "review-queues/delete", {"queue_id": "<queue>"}),
    ("POST", V3 + "review-queues/items/add", {"queue_id": "<queue>", "item_ids": ["{trace}"]}),
    ("POST", V3 + "review-queues/items/add", {"queue_id": "{queue}", "item_ids": ["<trace>"]}),
    ("GET", V3 + "review-queues/items/list?queue_id=<queue>", None),
    ("POST", V3 + "review-queues/items/remove", {"queue_id": "<queue>", "item_ids": ["<trace>"]}),
    (
        "POST",
        V3 + "review-queues/items/set-status",
        {"queue_id": "<queue>", "item_id": "<trace>", "status": "COMPLETE", "completed_by": "x"},
    ),
    (
        "POST",
        V3 + "scorers/register",
        {"experiment_id": "<experiment>", "name": "s", "serialized_scorer": '{"name": "s"}'},
    ),
    ("GET", V3 + "scorers/get?experiment_id=<experiment>&name=s", None),
    ("GET", V3 + "scorers/list?experiment_id=<experiment>", None),
    ("GET", V3 + "scorers/versions?experiment_id=<experiment>&name=s", None),
    ("DELETE", V3 + "scorers/delete", {"experiment_id": "<experiment>", "name": "s"}),
    (
        "POST",
        "/graphql",
        {
            "query": "query Q($i: MlflowGetRunInput) { mlflowGetRun(input: $i) { apiError "
            "{ code message } run { info { runUuid artifactUri } } } }",
            "variables": {"i": {"runId": "<run>"}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "query Q($i: MlflowGetExperimentInput) { mlflowGetExperiment(input: $i) "
            "{ apiError { code message } experiment { name } } }",
            "variables": {"i": {"experimentId": "<experiment>"}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "query Q($i: MlflowListArtifactsInput) { mlflowListArtifacts(input: $i) "
            "{ apiError { code message } rootUri } }",
            "variables": {"i": {"runId": "<run>"}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "query Q($i: MlflowSearchRunsInput) { mlflowSearchRuns(input: $i) "
            "{ apiError { code message } runs { info { runUuid } } } }",
            "variables": {"i": {"experimentIds": ["<experiment>"]}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "mutation Q($i: MlflowSearchRunsInput) { mlflowSearchRuns(input: $i) "
            "{ apiError { code message } runs { info { runUuid } } } }",
            "variables": {"i": {"experimentIds": ["<experiment>"]}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "mutation Q($i: MlflowSearchDatasetsInput) { mlflowSearchDatasets(input: $i) "
            "{ apiError { code message } datasetSummaries { name } } }",
            "variables": {"i": {"experimentIds": ["<experiment>"]}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "query Q($i: MlflowSearchModelVersionsInput) { "
            "mlflowSearchModelVersions(input: $i) { apiError { code message } modelVersions { name } } }",
            "variables": {"i": {"filter": "name='<registered>'"}},
        },
    ),
    (
        "POST",
        "/graphql",
        {
            "query": "query Q($i: MlflowGetMetricHistoryBulkIntervalInput) { "
            "mlflowGetMetricHistoryBulkInterval(input: $i) { apiError { code message } metrics { key } } }",
            "variables": {"i": {"runIds": ["<run>"], "metricKey": "loss", "maxResults": 9}},
        },
    ),
]
# Fresh ids, times and made-up names.
VARYING = re.compile(r"[0-9a-f]{32}|\b\d{13}\b|\b[0-9a-f]{8}\b|(?<=run_name\": \")[a-z]+-[a-z]+-\d+")
Rows = dict[str, set[tuple[Any, ...]]]


class World:
    """Both teams with one of everything.

    Attributes:
        ids: theirs and ours, by kind.
    """

    def __init__(self, ours: Team, theirs: Team, database: Path) -> None:
        self.ours = ours
        self._database = database
        with sqlite3.connect(database) as connection:
            # Ids that no other number in an answer looks like.
            connection.execute(
                "INSERT INTO experiments (experiment_id, name, workspace, lifecycle_stage)"
                " VALUES (70000, 'far', 'default', 'active')"
            )
        self.theirs_ids = seed(theirs)
        self.theirs = self.rows()
        self.ids = seed(ours)

    def rows(self) -> Rows:
        """Return all that the database holds."""
        with sqlite3.connect(self._database) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            return {name: set(connection.execute(f"SELECT * FROM '{name}'")) for name in tables}  # noqa: S608

    def ask(
        self, request: tuple[str, str, Any], named: dict[str, str], ours: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Return status and answer of a request of ours; an id that was asked for reads as its kind."""
        method, path, body = request
        text = json.dumps([path, body])
        for kind, value in named.items():
            text = text.replace(f"<{kind}>", value)
        for kind, value in (ours or self.ids).items():
            text = text.replace(f"{{{kind}}}", value)
        path, body = json.loads(text)
        status, answer = self.ours.ask(method, path, body)
        said = json.dumps(answer)
        for kind, value in sorted(named.items(), key=lambda item: -len(item[1])):
            said = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", f"<{kind}>", said)
        return status, VARYING.sub("<varying>", said)


def seed(team: Team, more: str = "") -> dict[str, str]:
    """Make one of everything and return its ids."""
    name = team.workspace + more
    experiment = team.experiment("unlike any other of " + name)
    dead = team.experiment("dead of " + name)
    team.post("experiments/delete", experiment_id=dead)
    run = team.run(experiment)["info"]["run_id"]
    team.post("runs/log-metric", run_id=run, **METRIC)
    team.post("runs/log-inputs", run_id=run, datasets=[{"dataset": DATASET}])
    team.post("runs/set-tag", run_id=run, key="k", value="v")
    model = team.model(experiment, tags=[{"key": "k", "value": "v"}])
    trace = f"tr-{name}".ljust(35, "0")
    team.trace(experiment, trace, tags={"k": "v"})
    team.post("traces/link-to-run", trace_ids=[trace], run_id=run)
    made = team.post(f"{V3}traces/{trace}/assessments", assessment=PNG)["assessment"]
    registered = "churn-of-" + name
    team.post("registered-models/create", name=registered)
    source = f"s3://bucket/workspaces/{team.workspace}/1/m"
    team.post("model-versions/create", name=registered, source=source, run_id=run)
    team.post("registered-models/alias", name=registered, alias="champion", version="1")
    dataset = team.post(V3 + "datasets/create", name="d", tags='{"k": "v"}', experiment_ids=[experiment])[
        "dataset"
    ]["dataset_id"]
    team.post(f"{V3}datasets/{dataset}/records", records='[{"inputs": {"q": 1}}]')
    issue = team.post(V3 + "issues", experiment_id=experiment, name="x", description="x", source_run_id=run)[
        "issue"
    ]["issue_id"]
    schema = team.post(
        V3 + "label-schemas/create",
        experiment_id=experiment,
        name="q",
        type="FEEDBACK",
        input={"text": {}},
    )["label_schema"]["schema_id"]
    queue = team.post(V3 + "review-queues/create", experiment_id=experiment, name="q", queue_type="CUSTOM")
    queue_id = queue["review_queue"]["queue_id"]
    team.post(V3 + "review-queues/items/add", queue_id=queue_id, item_ids=[trace])
    scorer = json.dumps({"name": "s", "aggregations": [], "mlflow_version": "3.17.2"})
    status, answer = team.ask(
        "POST",
        V3 + "scorers/register",
        {"experiment_id": experiment, "name": "s", "serialized_scorer": scorer},
    )
    assert status == 200, answer
    return {
        "sink": team.run(team.experiment("sink of " + name))["info"]["run_id"],
        "experiment": experiment,
        "dead": dead,
        "run": run,
        "model": model,
        "trace": trace,
        "assessment": made["assessment_id"],
        "dataset": dataset,
        "issue": issue,
        "schema": schema,
        "queue": queue_id,
        "registered": registered,
        "name": "unlike any other of " + name,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("workspaces")
    with serving(folder) as (ours, theirs):
        yield World(ours, theirs, folder / "mlflow.db")


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request[0]} {request[1]}")
def test_what_is_theirs_answers_as_what_does_not_exist(world: World, request_: tuple[str, str, Any]) -> None:
    unknown = world.ask(request_, UNKNOWN)
    theirs = world.ask(request_, world.theirs_ids)
    assert theirs == unknown
    there = world.rows()
    assert {table: rows - there[table] for table, rows in world.theirs.items() if rows - there[table]} == {}


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request[0]} {request[1]}")
def test_what_is_ours_answers_otherwise_or_changes(world: World, request_: tuple[str, str, Any]) -> None:
    """Else the test above would pass for a request that says nothing of anything."""
    mine = world.ids if request_[0] == "GET" else seed(world.ours, f"-{REQUESTS.index(request_)}")
    unknown = world.ask(request_, UNKNOWN, mine)
    before = world.rows()
    assert world.ask(request_, mine, mine) != unknown or world.rows() != before
