"""What our stores do otherwise than MLflow's, asked over HTTP, and where the server goes for artifacts."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.tests.two_workspaces import OURS, ROOT, THEIRS, Team, serving

V3 = "/api/3.0/mlflow/"
AJAX = "/ajax-api/2.0/mlflow/"
ALLOWED = f"{ROOT}/workspaces/{OURS}/"
NAME, OTHER = f"{OURS}-person", f"{THEIRS}-person"
USER = "mlflow.user"
CREDENTIALS = "http://169.254.170.2/v2/credentials"
ELSEWHERE = [
    f"{ROOT}/workspaces/{THEIRS}/1/x",
    f"{ROOT}/workspaces/{OURS}/../{THEIRS}/1/x",
    f"{ROOT}/workspaces/{OURS}/%2e%2e/{THEIRS}/1/x",
    f"{ROOT}/workspaces",
    ROOT,
    "s3://another-bucket/x",
    CREDENTIALS,
    "https://example.com/x",
    "file:///etc",
    "/etc",
    "etc",
    "ftp://example.com/x",
    "sftp://example.com/x",
    "hdfs://example.com/x",
    "viewfs://example.com/x",
    "dbfs:/x",
    "gs://bucket/x",
    "wasbs://c@a.blob.core.windows.net/x",
    "abfss://c@a.dfs.core.windows.net/x",
    "r2://bucket@example.com/x",
    "b2://bucket@example.com/x",
    "mlflow-artifacts:/x",
    "mlflow-artifacts://example.com/x",
    "runs://profile@databricks/0123456789abcdef0123456789abcdef/x",
    "models://profile@databricks/m/1",
    "unknown://x",
]


class Bucket:
    """S3 as the server sees it: where it went, nothing else."""

    def __init__(self) -> None:
        self.visited: list[str] = []

    def __call__(self, artifact_uri: str, **_: Any) -> "Bucket":
        self.visited.append(artifact_uri)
        return self

    def list_artifacts(self, _path: str | None = None) -> list[Any]:
        return []

    def get_local_path(self, _path: str) -> None:
        return None

    def download_artifacts(self, artifact_path: str, dst_path: str) -> str:
        file = Path(dst_path) / artifact_path
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"content of {artifact_path}")
        return str(file)


class World:
    """Two teams, the database, and where the server went for artifacts."""

    def __init__(self, ours: Team, theirs: Team, database: Path) -> None:
        self.ours = ours
        self.theirs = theirs
        self._database = database
        self._count = 0

    def execute(self, statement: str, *values: Any) -> list[Any]:
        """Change what no client could write, or look."""
        with sqlite3.connect(self._database) as connection:
            return connection.execute(statement, values).fetchall()

    def name(self) -> str:
        """Return a name that nothing has yet."""
        self._count += 1
        return f"name-{self._count}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("stores")
    with serving(folder) as (ours, theirs):
        yield World(ours, theirs, folder / "mlflow.db")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    from server.tracking_server import artifact_repositories  # noqa: PLC0415

    bucket = Bucket()
    monkeypatch.setattr(artifact_repositories, "S3ArtifactRepository", bucket)
    return bucket


@pytest.fixture
def experiment(world: World) -> str:
    return world.ours.experiment(world.name())


@pytest.fixture
def run(world: World, experiment: str) -> str:
    return world.ours.run(experiment)["info"]["run_id"]


def test_an_experiment_lies_where_its_team_says_below_its_own_prefix(world: World) -> None:
    for location in (f"{ALLOWED}experiment_a", f"{ALLOWED}experiment_a/"):  # shared by two is allowed
        experiment_id = world.ours.experiment(world.name(), artifact_location=location)
        found = world.ours.get("experiments/get", experiment_id=experiment_id)["experiment"]
        assert found["artifact_location"] == f"{ALLOWED}experiment_a"
        assert world.ours.run(experiment_id)["info"]["artifact_uri"].startswith(f"{ALLOWED}experiment_a/")
        model = world.ours.get(f"logged-models/{world.ours.model(experiment_id)}")["model"]["info"]
        assert model["artifact_uri"].startswith(f"{ALLOWED}experiment_a/")


@pytest.mark.parametrize("location", [*ELSEWHERE, ALLOWED, f"{ROOT}/workspaces/{OURS}"])
def test_an_experiment_lies_nowhere_else(world: World, location: str) -> None:
    name = world.name()
    status, answer = world.ours.ask(
        "POST", "experiments/create", {"name": name, "artifact_location": location}
    )
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    if location.startswith("s3:"):
        assert ALLOWED in answer["message"]
    assert world.ours.ask("GET", "experiments/get-by-name", experiment_name=name)[0] == 404


@pytest.mark.parametrize("source", [*ELSEWHERE, ALLOWED])
def test_a_model_version_comes_from_nowhere_else(world: World, source: str) -> None:
    name = world.name()
    world.ours.post("registered-models/create", name=name)
    status, answer = world.ours.ask("POST", "model-versions/create", {"name": name, "source": source})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    if source.startswith("s3://another"):
        assert ALLOWED in answer["message"]
    assert world.ours.get("model-versions/search", filter=f"name='{name}'") == {}


@pytest.mark.parametrize("source", [*ELSEWHERE, ALLOWED])
def test_a_prompt_tag_opens_no_door(world: World, source: str) -> None:
    name = world.name()
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    world.ours.post("registered-models/create", name=name, tags=tags)
    status, _ = world.ours.ask(
        "POST", "model-versions/create", {"name": name, "source": source, "tags": tags}
    )
    assert status == 400


def test_prompts_and_models_of_the_own_workspace_are_registered(
    world: World, experiment: str, run: str
) -> None:
    name, prompt = world.name(), world.name()
    world.ours.post("registered-models/create", name=name)
    model = world.ours.model(experiment, source_run_id=run)
    world.ours.post("model-versions/create", name=name, source=f"{ALLOWED}{experiment}/m", run_id=run)
    world.ours.post("model-versions/create", name=name, source=f"runs:/{run}/m", run_id=run)
    world.ours.post("model-versions/create", name=name, source=f"models:/{model}", model_id=model)
    world.ours.post("model-versions/create", name=name, source=f"models:/{name}/1")
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": "x"}]
    world.ours.post("registered-models/create", name=prompt, tags=tags[:1])
    world.ours.post("model-versions/create", name=prompt, source="prompt-template", tags=tags)


@pytest.mark.parametrize("uri", ELSEWHERE)
def test_however_an_address_got_there_the_server_does_not_go(
    world: World, bucket: Bucket, experiment: str, run: str, uri: str
) -> None:
    """As a client of an older server could have written it, or a way that nobody has thought of."""
    ours, name, trace = world.ours, world.name(), f"tr-{world.name()}"
    model = ours.model(experiment)
    ours.trace(experiment, trace)
    ours.post("registered-models/create", name=name)
    ours.post("model-versions/create", name=name, source=f"{ALLOWED}x")
    world.execute("UPDATE runs SET artifact_uri=? WHERE run_uuid=?", uri, run)
    world.execute("UPDATE logged_models SET artifact_location=? WHERE model_id=?", uri, model)
    world.execute("UPDATE model_versions SET source=?, storage_location=? WHERE name=?", uri, uri, name)
    world.execute(
        "UPDATE trace_tags SET value=? WHERE request_id=? AND key='mlflow.artifactLocation'", uri, trace
    )
    query = (
        "query Q($i: MlflowListArtifactsInput) { mlflowListArtifacts(input: $i) { rootUri files { path } } }"
    )
    attachment = "0b6e5b1a-5b1a-4b1a-8b1a-0b6e5b1a5b1a"
    answers = [
        ours.ask("GET", "/get-artifact", run_id=run, path="x"),
        ours.ask("GET", "artifacts/list", run_id=run),
        ours.ask("GET", "/model-versions/get-artifact", name=name, version="1", path="x"),
        ours.ask("GET", f"{AJAX}logged-models/{model}/artifacts/files", artifact_file_path="x"),
        ours.ask("GET", f"logged-models/{model}/artifacts/directories"),
        ours.ask("GET", f"{AJAX}get-trace-artifact", request_id=trace),
        ours.ask("GET", f"{AJAX}get-trace-artifact", request_id=trace, path=attachment),
    ]
    assert {status for status, _ in answers} <= {400, 500}
    # To the others MLflow goes no more by itself.
    if ":" not in uri or uri.startswith(("s3:", "file:", "dbfs:", "gs:", "wasbs:", "runs:", "models:")):
        assert {(status, ALLOWED in answer["message"]) for status, answer in answers} == {(400, True)}
    _, answer = ours.ask("POST", "/graphql", {"query": query, "variables": {"i": {"runId": run}}})
    assert answer["data"]["mlflowListArtifacts"] is None
    world.execute("INSERT INTO trace_tags VALUES ('mlflow.trace.archiveLocation', ?, ?)", uri, trace)
    world.execute("INSERT INTO trace_tags VALUES ('mlflow.trace.spansLocation', 'ARCHIVE_REPO', ?)", trace)
    assert ours.ask("GET", f"{AJAX}get-trace-artifact", request_id=trace)[0] in {400, 500}
    assert ours.ask("GET", f"{V3}traces/get", trace_id=trace)[0] in {400, 500}
    ours.ask("POST", "traces/delete-traces", {"experiment_id": experiment, "request_ids": [trace]})
    assert bucket.visited == []


def test_the_server_shows_what_lies_in_the_own_workspace(
    world: World, bucket: Bucket, experiment: str, run: str
) -> None:
    ours, name, of_run = world.ours, world.name(), world.name()
    model = ours.model(experiment)
    for registered, source in ((name, f"{ALLOWED}x/m"), (of_run, f"runs:/{run}/m")):
        ours.post("registered-models/create", name=registered)
        ours.post("model-versions/create", name=registered, source=source, run_id=run)
    assert ours.get("/get-artifact", run_id=run, path="a/b") == "content of a/b"
    assert ours.get("/model-versions/get-artifact", name=name, version="1", path="x") == "content of x"
    assert ours.get("/model-versions/get-artifact", name=of_run, version="1", path="x")
    assert ours.get(f"{AJAX}logged-models/{model}/artifacts/files", artifact_file_path="x")
    ours.get("artifacts/list", run_id=run)
    ours.get(f"logged-models/{model}/artifacts/directories")
    assert len(bucket.visited) >= 6
    assert all(uri.startswith(ALLOWED) for uri in bucket.visited)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "..%2fx",
        "%2e%2e/x",
        "%252e%252e%252fx",
        "file:///x",
        "a#b",
    ],
)
def test_a_path_leads_nowhere_else(
    world: World, bucket: Bucket, experiment: str, run: str, path: str
) -> None:
    ours, name = world.ours, world.name()
    model = ours.model(experiment)
    ours.post("registered-models/create", name=name)
    ours.post("model-versions/create", name=name, source=f"{ALLOWED}x")
    for status, answer in (
        ours.ask("GET", "/get-artifact", run_id=run, path=path),
        ours.ask("GET", "artifacts/list", run_id=run, path=path),
        ours.ask("GET", "/model-versions/get-artifact", name=name, version="1", path=path),
        ours.ask("GET", f"{AJAX}logged-models/{model}/artifacts/files", artifact_file_path=path),
        ours.ask("GET", f"logged-models/{model}/artifacts/directories", artifact_directory_path=path),
    ):
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("uri", ELSEWHERE)
def test_a_trace_lies_nowhere_else(world: World, bucket: Bucket, experiment: str, uri: str) -> None:
    ours, trace = world.ours, f"tr-{world.name()}"
    place = {"mlflow.artifactLocation": uri, "mlflow.trace.archiveLocation": uri}
    for _ in range(2):  # the second time it is merged into the first
        tags = ours.trace(experiment, trace, tags=place)["tags"]
        assert tags["mlflow.artifactLocation"].startswith(ALLOWED)
        assert "mlflow.trace.archiveLocation" not in tags
    for version in ("/api/2.0/mlflow/", V3):
        change = {"key": "mlflow.artifactLocation", "value": uri}
        status, answer = ours.ask("PATCH", f"{version}traces/{trace}/tags", change)
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert ALLOWED in answer["message"]
    listed = [{"key": key, "value": value} for key, value in place.items()]
    old = ours.post("traces", experiment_id=experiment, timestamp_ms=1, tags=listed)["trace_info"][
        "request_id"
    ]
    ours.ask("PATCH", f"traces/{old}", {"timestamp_ms": 2, "status": "OK", "tags": listed})
    found = {tag["key"]: tag["value"] for tag in ours.get(f"traces/{old}/info")["trace_info"]["tags"]}
    assert found["mlflow.artifactLocation"].startswith(ALLOWED)
    assert "mlflow.trace.archiveLocation" not in found


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def test_a_run_is_the_callers_whatever_the_client_says(world: World, experiment: str) -> None:
    ours = world.ours
    for said in (
        {},
        {"user_id": "boss", "tags": [{"key": USER, "value": "boss"}, {"key": "k", "value": "v"}]},
    ):
        run = ours.run(experiment, **said)
        run_id = run["info"]["run_id"]
        ours.post("runs/set-tag", run_id=run_id, key=USER, value="boss")
        ours.post("runs/delete-tag", run_id=run_id, key=USER)
        batch = [{"key": USER, "value": "boss"}, {"key": "more", "value": "x"}]
        ours.post("runs/log-batch", run_id=run_id, tags=batch)
        found = ours.get("runs/get", run_id=run_id)["run"]
        assert run["info"]["user_id"] == found["info"]["user_id"] == NAME
        assert tags_of(run)[USER] == tags_of(found)[USER] == NAME
        assert tags_of(found)["more"] == "x"


def test_models_datasets_traces_issues_and_queues_are_the_callers(world: World, experiment: str) -> None:
    ours = world.ours
    model = ours.model(experiment, tags=[{"key": USER, "value": "boss"}])
    assert (
        ours.ask("PATCH", f"logged-models/{model}/tags", {"tags": [{"key": USER, "value": "boss"}]})[0] == 200
    )
    assert ours.ask("DELETE", f"logged-models/{model}/tags/{USER}")[0] == 200
    assert ours.get(f"logged-models/{model}")["model"]["info"]["tags"] == [{"key": USER, "value": NAME}]

    boss = json.dumps({USER: "boss"})
    dataset = ours.post(f"{V3}datasets/create", name="d", tags=boss)["dataset"]
    assert (dataset["created_by"], dataset["last_updated_by"]) == (NAME, NAME)
    path = f"{V3}datasets/{dataset['dataset_id']}"
    records = json.dumps([{"inputs": {"q": 1}, "tags": {USER: "boss"}}, {"inputs": {"q": 2}}])
    ours.post(f"{path}/records", records=records)
    assert ours.ask("PATCH", f"{path}/tags", {"tags": boss})[0] == 200
    dataset = ours.get(path)["dataset"]
    assert (dataset["created_by"], dataset["last_updated_by"]) == (NAME, NAME)
    assert json.loads(dataset["tags"])[USER] == NAME
    written = json.loads(ours.get(f"{path}/records")["records"])
    assert [(record["created_by"], record["last_updated_by"]) for record in written] == [(NAME, NAME)] * 2

    trace = f"tr-{world.name()}"
    assert ours.trace(experiment, trace, trace_metadata={USER: "boss"})["trace_metadata"][USER] == NAME
    said = [{"key": USER, "value": "boss"}]
    started = ours.post("traces", experiment_id=experiment, timestamp_ms=1, request_metadata=said)[
        "trace_info"
    ]
    end = {"timestamp_ms": 2, "status": "OK", "request_metadata": said}
    assert ours.ask("PATCH", f"traces/{started['request_id']}", end)[0] == 200
    found = ours.get(f"traces/{started['request_id']}/info")["trace_info"]["request_metadata"]
    assert {"key": USER, "value": NAME} in found

    said = {"experiment_id": experiment, "name": "x", "description": "x", "created_by": "boss"}
    assert ours.post(f"{V3}issues", **said)["issue"]["created_by"] == NAME
    queue = ours.post(f"{V3}review-queues/create", experiment_id=experiment, name="q", queue_type="CUSTOM")
    queue_id = queue["review_queue"]["queue_id"]
    assert queue["review_queue"]["created_by"] == NAME
    ours.post(f"{V3}review-queues/items/add", queue_id=queue_id, item_ids=[trace])
    done = {"queue_id": queue_id, "item_id": trace, "status": "COMPLETE", "completed_by": "boss"}
    assert ours.post(f"{V3}review-queues/items/set-status", **done)["item"]["completed_by"] == NAME


def test_an_assessment_of_theirs_is_neither_moved_nor_found(world: World, experiment: str) -> None:
    ours, theirs = world.ours, world.theirs
    trace, mine = f"tr-{world.name()}", f"tr-{world.name()}"
    theirs.trace(theirs.experiment(world.name()), trace)
    value = {
        "assessment_name": "good",
        "source": {"source_type": "HUMAN", "source_id": "x"},
        "feedback": {"value": 1},
    }
    made = theirs.post(f"{V3}traces/{trace}/assessments", assessment=value)["assessment"]
    stolen = value | {"assessment_id": made["assessment_id"], "feedback": {"value": 0}}
    for _ in range(2):
        ours.trace(experiment, mine, assessments=[stolen])
    created = ours.post(f"{V3}traces/{mine}/assessments", assessment=stolen)["assessment"]
    assert created["assessment_id"] != made["assessment_id"]
    assert theirs.get(f"{V3}traces/{trace}/assessments/{made['assessment_id']}")["assessment"] == made


def test_mlflow_has_our_stores_and_no_others(world: World) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415
    from mlflow.server import handlers  # noqa: PLC0415

    from server.tracking_server.model_registry_store import ModelRegistryStore  # noqa: PLC0415
    from server.tracking_server.tracking_store import TrackingStore  # noqa: PLC0415

    assert isinstance(handlers._get_tracking_store(), TrackingStore)
    assert isinstance(handlers._get_model_registry_store(), ModelRegistryStore)
    assert MlflowClient()._tracking_client.store is handlers._get_tracking_store()
