"""An id of another team answers as one that does not exist, and what they have stays as it is."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from server.tests import mlflow_server
from server.tests.isolation_requests import DATASET, FEEDBACK, METRIC, REQUESTS, UNKNOWN, V3
from server.tests.two_workspaces import Team, serving
from server.tracking_server.route_lists import READ, WRITE
from server.tracking_server.routes import classify

# They take no id of the database's, or are asked by another method here, or in test_shared_names.py.
WITHOUT_ID = {
    "GET /graphql",
    "GET /mlflow/experiments/search",
    "POST /mlflow/experiments/create",
    "POST /mlflow/registered-models/create",
    "POST /v1/traces",
}
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
        self._seeded = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(database)) as live:
            live.backup(self._seeded)

    def begin_anew(self) -> None:
        """Put back what was seeded, so that no request misses what the one before deleted."""
        with closing(sqlite3.connect(self._database)) as live:
            self._seeded.backup(live)

    def rows(self) -> Rows:
        """Return all that the database holds."""
        with sqlite3.connect(self._database) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            return {name: set(connection.execute(f"SELECT * FROM '{name}'")) for name in tables}  # noqa: S608

    def ask(self, request: tuple[str, str, Any], named: dict[str, str]) -> tuple[int, str]:
        """Return status and answer of a request of ours; an id that was asked for reads as its kind."""
        method, path, body = request
        text = json.dumps([path, body])
        for kind, value in named.items():
            text = text.replace(f"<{kind}>", value)
        for kind, value in self.ids.items():
            text = text.replace(f"{{{kind}}}", value)
        path, body = json.loads(text)
        status, answer = self.ours.ask(method, path, body)
        said = json.dumps(answer)
        for kind, value in sorted(named.items(), key=lambda item: -len(item[1])):
            said = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", f"<{kind}>", said)
        return status, VARYING.sub("<varying>", said)


def seed(team: Team) -> dict[str, str]:
    """Make one of everything and return its ids."""
    name = team.workspace
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
    made = team.post(f"{V3}traces/{trace}/assessments", assessment=FEEDBACK)["assessment"]
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
    world.begin_anew()
    unknown = world.ask(request_, UNKNOWN)
    before = world.rows()
    assert world.ask(request_, world.ids) != unknown or world.rows() != before


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request[0]} {request[1]}")
def test_no_route_holds_more_than_two_connections(world: World, request_: tuple[str, str, Any]) -> None:
    """With one more than there are threads, somebody always goes on: connections.py counts on it."""
    world.begin_anew()
    assert most_held(world, request_) <= 2


def test_canary_a_route_that_holds_two_is_seen(world: World) -> None:
    world.begin_anew()
    assert most_held(world, ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [METRIC]})) == 2


def most_held(world: World, request: tuple[str, str, Any]) -> int:
    """Return how many connections were taken from all pools at the same time."""
    held = most = 0

    def take(*_: object) -> None:
        nonlocal held, most
        held += 1
        most = max(most, held)

    def give_back(*_: object) -> None:
        nonlocal held
        held -= 1

    listeners = {"checkout": take, "checkin": give_back}
    for name, listener in listeners.items():
        event.listen(Pool, name, listener)
    try:
        world.ask(request, world.ids)
    finally:
        for name, listener in listeners.items():
            event.remove(Pool, name, listener)
    assert held == 0
    return most


def test_every_open_route_is_asked() -> None:
    mlflow_server.load()
    asked = set()
    for method, path, _ in REQUESTS:
        asks = re.sub(r"[<>{}]|\?.*", "", path)
        route = classify(method, asks if asks.startswith("/") else f"/api/2.0/mlflow/{asks}")
        assert route, (method, path)
        asked.add(route.name)
    assert sorted((READ | WRITE) - asked) == sorted(WITHOUT_ID)
