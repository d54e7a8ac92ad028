"""The page, GraphQL, workspaces, and what is open."""

from rehearsal.tests.isolation.entry import Entry, Kind, read

RUN = (
    "query($i: MlflowGetRunInput) {mlflowGetRun(input: $i) {run {info {runId runName} modelVersions { name }"
)
RUN += " experiment {name tags { value }}} apiError {code message}}}"
EXPERIMENT = (
    "query($i: MlflowGetExperimentInput) {mlflowGetExperiment(input: $i) {experiment {name tags { value }}"
)
EXPERIMENT += " apiError {code message}}}"
HISTORY = "query($i: MlflowGetMetricHistoryBulkIntervalInput) {mlflowGetMetricHistoryBulkInterval(input: $i)"
HISTORY += " {metrics {key value runId} apiError {code message}}}"
FILES = "query($i: MlflowListArtifactsInput) {mlflowListArtifacts(input: $i) {rootUri files { path }"
FILES += " apiError {code message}}}"
RUNS = "query($i: MlflowSearchRunsInput) {mlflowSearchRuns(input: $i) {runs {info {runId runName}}"
RUNS += " apiError {code message}}}"
VERSIONS = "query($i: MlflowSearchModelVersionsInput) {mlflowSearchModelVersions(input: $i)"
VERSIONS += " {modelVersions {name description} apiError {code message}}}"
DATASETS = "mutation($i: MlflowSearchDatasetsInput) {mlflowSearchDatasets(input: $i)"
DATASETS += " {datasetSummaries { name } apiError {code message}}}"


def graphql(query: str, shows: str = "mark", **variables: object) -> Entry:
    return read("POST /graphql", {"query": query, "variables": {"i": variables}}, shows=shows)


def page(line: str, shows: str = "") -> Entry:
    return Entry(line, kind=Kind.ASSET, shows=tuple(shows.split()))


def workspaces(line: str, body: object = None, shows: str = "") -> Entry:
    return Entry(line, body, Kind.WORKSPACES, tuple(shows.split()))


ENTRIES = (
    Entry("GET /health", kind=Kind.OPEN),
    Entry("GET /version", kind=Kind.OPEN),
    Entry("GET /ready", kind=Kind.OPEN, shows=("ready",)),
    page("GET /", "<title>MLflow</title>"),
    page("GET /static-files/{icon}"),
    page("GET /build/{icon}"),
    page("GET 3.0/mlflow/server-info", "workspaces_enabled"),
    page("GET 3.0/mlflow/ui-telemetry"),
    graphql(RUN, runId="{run}"),
    graphql(RUN, runUuid="{run}"),
    graphql(EXPERIMENT, experimentId="{experiment}"),
    graphql(HISTORY, shows="run", runIds=["{run}"], metricKey="{metric}"),
    graphql(FILES, shows="file", runId="{run}"),
    graphql(RUNS, experimentIds=["{experiment}"]),
    graphql(RUNS, experimentIds=["{experiment}"], filter="attributes.run_id = '{run}'"),
    graphql(VERSIONS),
    graphql(VERSIONS, filter="name = '{model_name}'"),
    graphql(DATASETS, shows="table_name", experimentIds=["{experiment}"]),
    read("GET /graphql", {"query": RUN, "variables": {"i": {"runId": "{run}"}}}),
    workspaces("GET 3.0/mlflow/workspaces", shows="team"),
    workspaces("GET 3.0/mlflow/workspaces/{team}", shows="team"),
    workspaces("POST 3.0/mlflow/workspaces", {"name": "{fresh}"}),
    workspaces("PATCH 3.0/mlflow/workspaces/{team}", {"description": "x"}),
    workspaces("DELETE 3.0/mlflow/workspaces/{team}"),
)
