"""What the classifier says, against what MLflow's own app would then serve."""

# ruff: noqa: PLC0415 - MLflow reads its environment when it is imported

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from server.tests import mlflow_server
from server.tests.served_routes import Recorder, tricks
from server.tracking_server import routes
from server.tracking_server.route_lists import ASSET, READ, WORKSPACES, WRITE
from server.tracking_server.routes import METHODS, Kind, classify, mlflow_routes
from server.tracking_server.sealed_routes import SEALED, UNKNOWN

LISTS = (ASSET, WORKSPACES, READ, WRITE, frozenset(SEALED))
VALUES = ("x", "a/b", "..", "tags", "search", "a%2Fb", "%252e", "é", "get-artifact", "mlflow/server-info")
STRANGE_METHODS = ("OPTIONS", "get", "Post", "TRACE", "CONNECT", "PROPFIND", "QUERY", "")


@pytest.fixture(scope="module")
def app() -> Any:
    return mlflow_server.load()


@pytest.fixture
def forget() -> Iterator[None]:
    """What is remembered of MLflow's routes must not outlive a change of them."""
    routes._classify.cache_clear()
    yield
    routes._classify.cache_clear()


def sample(rule: str, value: str) -> str:
    return re.sub(r"<[^>]+>|\{[^}]+\}", lambda _: value, rule)


def rules() -> list[str]:
    from fastapi.routing import iter_route_contexts
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app

    native = {str(context.path) for context in iter_route_contexts(app.routes) if context.endpoint}
    return sorted(native | {rule.rule for rule in flask_app.url_map.iter_rules()})


def test_each_route_of_the_installed_mlflow_is_in_one_list_and_each_list_names_only_those(app: Any) -> None:
    there = set(mlflow_routes())
    listed = Counter(name for names in LISTS for name in names)
    assert sorted(there - listed.keys()) == [], "in no list"
    assert sorted(listed.keys() - there) == [], "not in MLflow"
    assert [name for name, count in listed.items() if count > 1] == [], "in two lists"
    assert len(there) > 250


def test_no_name_stands_for_two_different_things(app: Any) -> None:
    from mlflow.server import app as flask_app

    handlers: dict[str, set[str]] = {}
    for rule in flask_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            handlers.setdefault(routes._name(method, rule.rule), set()).add(rule.endpoint)
    double = {name for name, endpoints in handlers.items() if len(endpoints) > 1}
    # One handler for the page and one for the API, with the same answer.
    assert double == {"GET /mlflow/metrics/get-history-bulk-interval"}


async def differences(recorder: Recorder, requests: set[tuple[str, str]]) -> tuple[list[Any], int]:
    """Return where classifier and app part, and how many requests reached a route."""
    found, reached = [], 0
    for method, path in sorted(requests):
        served, route = await recorder.serve(method, path), classify(method, path)
        reached += served is not None
        if served != (route and route.name):
            found.append((method, path, served, route))
    return found, reached


def test_the_classifier_says_what_mlflow_serves(
    app: Any, monkeypatch: pytest.MonkeyPatch, forget: None
) -> None:
    requests = {
        (method, sample(rule, value))
        for rule in rules()
        for value in (VALUES if "<" in rule or "{" in rule else VALUES[:1])
        for method in (METHODS if "x" in value else ("GET", "DELETE", "POST"))
    }
    found, reached = asyncio.run(differences(Recorder(app, monkeypatch), requests))
    assert found == []
    assert reached > 700


@pytest.mark.parametrize("value", ["x", "a/b"])
def test_no_way_of_writing_a_path_is_read_in_two_ways(
    app: Any, value: str, monkeypatch: pytest.MonkeyPatch, forget: None
) -> None:
    requests = set()
    for number, rule in enumerate(rules()):
        path = sample(rule, value)
        again = path == rule and value != "x"
        if not again and not rule.startswith("/api/"):  # the tricks try the other prefix
            methods = [method for method in METHODS if classify(method, path)] or ["GET"]
            requests |= {(methods[number % len(methods)], trick) for trick in tricks(path)}
    found, reached = asyncio.run(differences(Recorder(app, monkeypatch), requests))
    assert found == []
    assert reached > 500


@pytest.mark.parametrize("method", STRANGE_METHODS)
def test_a_method_that_no_client_of_mlflow_uses_reaches_nothing(app: Any, method: str) -> None:
    assert [path for path in (sample(rule, "x") for rule in rules()) if classify(method, path)] == []


def test_a_new_native_route_is_refused_and_missed_in_the_lists(app: Any, forget: None) -> None:
    app.get("/api/3.0/mlflow/fresh")(lambda: "")
    # MLflow's own stand before the mount of Flask, which takes all.
    app.router.routes.insert(0, app.router.routes.pop())
    try:
        assert "GET /mlflow/fresh" in set(mlflow_routes())
        route = classify("GET", "/api/3.0/mlflow/fresh")
        assert route
        assert (route.kind, route.reason) == (Kind.SEALED, UNKNOWN)
    finally:
        del app.router.routes[0]
    routes._classify.cache_clear()
    assert classify("GET", "/api/3.0/mlflow/fresh") is None


def test_another_mounted_app_is_refused_and_missed_in_the_lists(app: Any, forget: None) -> None:
    from starlette.routing import Mount

    app.router.routes.insert(0, Mount("/fresh", app=lambda *_: None))
    try:
        assert "GET /fresh" in set(mlflow_routes())
        route = classify("GET", "/fresh/anything")
        assert route
        assert (route.kind, route.reason) == (Kind.SEALED, UNKNOWN)
    finally:
        del app.router.routes[0]


def test_a_new_route_of_flask_is_refused_and_missed_in_the_lists(
    app: Any, monkeypatch: pytest.MonkeyPatch, forget: None
) -> None:
    from mlflow.server import app as flask_app
    from werkzeug.routing import Map, Rule

    rules = [rule.empty() for rule in flask_app.url_map.iter_rules()]
    fresh = Rule("/api/2.0/mlflow/fresh", endpoint="fresh", methods=["POST"])
    monkeypatch.setattr(flask_app, "url_map", Map([*rules, fresh]))
    assert "POST /mlflow/fresh" in set(mlflow_routes())
    route = classify("POST", "/api/2.0/mlflow/fresh")
    assert route
    assert (route.kind, route.reason) == (Kind.SEALED, UNKNOWN)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/", Kind.ASSET),
        ("HEAD", "/", Kind.ASSET),
        ("GET", "/static-files/static/js/main.js", Kind.ASSET),
        ("GET", "/ajax-api/3.0/mlflow/server-info", Kind.ASSET),
        ("GET", "/api/3.0/mlflow/server-info", Kind.ASSET),
        ("GET", "/api/2.0/mlflow/runs/get", Kind.READ),
        ("POST", "/ajax-api/2.0/mlflow/runs/search", Kind.READ),
        ("POST", "/api/2.0/mlflow/runs/create", Kind.WRITE),
        ("POST", "/v1/traces", Kind.WRITE),
        ("DELETE", "/api/3.0/mlflow/workspaces/vision", Kind.WORKSPACES),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/x", Kind.SEALED),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message", Kind.SEALED),
        ("POST", "/api/2.0/mlflow/webhooks", Kind.SEALED),
    ],
)
def test_what_a_route_is(app: Any, method: str, path: str, kind: Kind) -> None:
    route = classify(method, path)
    assert route
    assert route.kind is kind
    assert bool(route.reason) == (kind is Kind.SEALED)


def test_no_read_route_answers_to_a_method_that_says_it_writes() -> None:
    assert {name.split()[0] for name in READ | ASSET} == {"GET", "POST"}
    assert not {name for name in WRITE if name.startswith("GET")}


def test_a_path_for_which_mlflow_resolves_no_workspace_is_sealed(app: Any) -> None:
    route = classify("GET", "/api/3.0/mlflow/mcp-servers/mlflow/server-info")
    assert route
    assert route.kind is Kind.SEALED


def test_a_flood_of_paths_fills_no_memory(app: Any, forget: None) -> None:
    for number in range(routes.REMEMBERED + 100):
        classify("GET", f"/api/2.0/mlflow/logged-models/{number}")
    held = routes._classify.cache_info()
    assert held.currsize == held.maxsize == routes.REMEMBERED
    classify("GET", "/static-files/" + "x" * routes.LONGEST_REMEMBERED)
    assert routes._classify.cache_info().misses == held.misses


def test_what_graphql_offers_is_what_was_looked_at() -> None:
    """Its mutations search, or return their input, and change nothing: a reader may ask."""
    from mlflow.server.graphql.graphql_schema_extensions import schema

    found = {
        kind: sorted(schema.graphql_schema.get_type(kind).fields)  # type: ignore[union-attr]
        for kind in ("Query", "Mutation")
    }
    assert found == {
        "Query": [
            "mlflowGetExperiment",
            "mlflowGetMetricHistoryBulkInterval",
            "mlflowGetRun",
            "mlflowListArtifacts",
            "mlflowSearchModelVersions",
            "mlflowSearchRuns",
            "test",
        ],
        "Mutation": ["mlflowSearchDatasets", "mlflowSearchRuns", "testMutation"],
    }
    assert schema.graphql_schema.subscription_type is None
