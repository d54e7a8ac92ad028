"""No spelling of a header, a path or a method reaches what its plain form does not."""

from collections.abc import Iterator

import pytest

from rehearsal.tests.isolation.callers import DENIED, UNAUTHENTICATED
from rehearsal.tests.isolation.client import Answer, Headers, Request
from rehearsal.tests.isolation.foreign import OTHER
from rehearsal.tests.isolation.world import World

pytestmark = pytest.mark.rehearsal

NAME = "X-MLFLOW-WORKSPACE"
JSON = ("Content-Type", "application/json")
# Sent by the speech team's writer: another workspace is named, so nothing is handed on.
ANOTHER: dict[str, Headers] = {
    "plain": ((NAME, "vision"),),
    "lower case": ((NAME.lower(), "vision"),),
    "mixed case": (("x-MlFlow-Workspace", "vision"),),
    "upper value": ((NAME, "Vision"),),
    "own then other": ((NAME, "speech"), (NAME, "vision")),
    "other then own": ((NAME, "vision"), (NAME, "speech")),
    "other twice": ((NAME, "vision"), (NAME.lower(), "vision")),
    "comma list": ((NAME, "speech,vision"),),
    "comma list with a space": ((NAME, "speech, vision"),),
    "percent": ((NAME, "%76ision"),),
    "own by percent": ((NAME, "%73peech"),),
    "quoted": ((NAME, '"speech"'),),
    "empty": ((NAME, ""),),
    "default": ((NAME, "default"),),
    "path": ((NAME, "../vision"),),
    "wildcard": ((NAME, "*"),),
}
# Not the header, or the same as without it: the speech team's own workspace.
OWN: dict[str, Headers] = {
    "none": (),
    "own": ((NAME, "speech"),),
    "own twice": ((NAME, "speech"), (NAME.lower(), "speech")),
    "own with spaces": ((NAME, "  speech  "),),
    "underscores": (("X_MLFLOW_WORKSPACE", "vision"),),
    "mixed": (("X-MLFLOW_WORKSPACE", "vision"),),
    "CGI": (("HTTP_X_MLFLOW_WORKSPACE", "vision"),),
    "workspace": (("Workspace", "vision"), ("MLFLOW-WORKSPACE", "vision")),
    "forwarded": (
        ("X-Forwarded-Prefix", "/vision"),
        ("X-Forwarded-Host", "vision"),
        ("Forwarded", "host=vision"),
    ),
    "rewritten": (("X-Original-URL", "/health"), ("X-Rewrite-URL", "/health")),
    "user": (("X-Forwarded-User", "vision"), ("Remote-User", "vision"), ("X-Amzn-Oidc-Identity", "vision")),
}
READS, CHANGES = "/api/2.0/mlflow/runs/get", "/api/2.0/mlflow/runs/set-tag"


def spellings(path: str) -> Iterator[str]:
    """Write a path in every way that something between client and handler may take for it."""
    yield from (path, path.replace("/mlflow", "//mlflow"), "/" + path, path.replace("/mlflow", "/./mlflow"))
    yield from (path.replace("/mlflow", "/x/../mlflow"), path.replace("/mlflow", "/x/%2e%2e/mlflow"))
    yield from (
        path.replace("/mlflow", "/%2e/mlflow"),
        path.replace("/mlflow", "%2Fmlflow"),
        path.replace("/", "\\"),
    )
    yield from (
        path.replace("mlflow", "%6dlflow"),
        path.replace("mlflow", "%256dlflow"),
        path.replace("mlflow", "MLflow"),
    )
    yield from (
        path.upper(),
        f"{path}/",
        f"{path}//",
        f"{path};x",
        path.replace("/runs", ";x/runs"),
        f"{path}%00",
    )
    yield from (f"{path}%20", f"{path}.", f"{path}%3Frun_id=x", f"/health/..{path}", f"/health/%2e%2e{path}")
    yield from (
        f"/version/..{path}",
        f"/ready/..{path}",
        f"/health%2F..{path}",
        f"/health;{path}",
        f"/static-files/..{path}",
    )
    yield from (f"{path}/mlflow/server-info", path.replace("/api/", "/ajax-api/"))
    yield from (path.replace("/api/2.0", "/api/3.0"), path.replace("/api/", "/API/"), f"/health#{path}")


def _read(world: World, path: str, caller: str, *headers: tuple[str, str]) -> Answer:
    return world.send(Request("GET", f"{path}?run_id={world.own['run']}", None, headers), caller)


def _harmless(answer: Answer, world: World) -> bool:
    """Tell whether an answer shows nothing and says nothing of success."""
    return world.own["mark"] not in answer.text and world.own["experiment"] not in answer.text


@pytest.mark.parametrize("case", ANOTHER)
def test_request_that_names_another_workspace_is_refused(case: str, world: World) -> None:
    world.cells["smuggling"] += 1
    answer = _read(world, READS, OTHER, *ANOTHER[case])
    assert (answer.status, answer.error_code) == DENIED, answer.text


@pytest.mark.parametrize("case", OWN)
def test_what_only_looks_like_the_header_changes_nothing(case: str, world: World) -> None:
    world.cells["smuggling"] += 1
    answer, plain = _read(world, READS, OTHER, *OWN[case]), _read(world, READS, OTHER)
    assert (answer.status, answer.body) == (plain.status, plain.body)
    assert answer.status == 404
    mine = Request("GET", f"{READS}?run_id={world.other['run']}", None, OWN[case])
    assert world.other["mark"] in world.send(mine, OTHER).text


@pytest.mark.parametrize("field", ["workspace", "workspace_name", "X-MLFLOW-WORKSPACE"])
def test_workspace_in_query_or_body_is_not_read(field: str, world: World) -> None:
    world.cells["smuggling"] += 2
    run = world.own["run"]
    asked = Request("GET", f"{READS}?run_id={run}&{field}=vision")
    assert world.send(asked, OTHER).status == 404
    body = f'{{"experiment_ids": ["{world.own["experiment"]}"], "{field}": "vision"}}'.encode()
    found = world.send(Request("POST", "/api/2.0/mlflow/runs/search", body, (JSON,)), OTHER)
    assert _harmless(found, world)
    assert run not in found.text


def test_no_spelling_of_a_path_is_open(world: World) -> None:
    before = world.kept()
    for path in spellings(READS):
        world.cells["smuggling"] += 3
        for caller in ("no token", "expired", "malformed"):
            answer = _read(world, path, caller)
            # Below 400 nothing but a page that is open to everybody: the fragment of /health#.
            assert answer.status in {400, 401, 404, 405} or answer.body == b"OK", (path, answer.text)
            assert _harmless(answer, world), path
    assert not world.kept().changed_since(before)


def test_no_spelling_of_a_path_reaches_another_team(world: World) -> None:
    for path in spellings(READS):
        world.cells["smuggling"] += 1
        assert _harmless(_read(world, path, OTHER), world), path


def test_no_spelling_of_a_path_lets_a_reader_write(world: World) -> None:
    before = world.kept()
    body = f'{{"run_id": "{world.own["run"]}", "key": "smuggled", "value": "x"}}'.encode()
    for path in spellings(CHANGES):
        for headers in ((), (("X-HTTP-Method-Override", "GET"),), ((NAME, "vision"),)):
            world.cells["smuggling"] += 1
            answer = world.send(Request("POST", path, body, (JSON, *headers)), "reader")
            assert answer.status >= 400 or answer.body == b"OK", (path, answer.text)
    assert not world.kept().changed_since(before)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "GET ", "X"])
def test_no_other_method_reads_or_is_open(method: str, world: World) -> None:
    target = f"{READS}?run_id={world.own['run']}"
    for caller in ("no token", OTHER):
        world.cells["smuggling"] += 1
        try:
            answer = world.send(Request(method, target), caller)
        except ValueError:  # http.client writes no such method
            assert " " in method
            continue
        assert answer.status >= 400, (caller, answer.status, answer.text)
        assert _harmless(answer, world)


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"])
def test_method_override_is_not_read(name: str, world: World) -> None:
    before = world.kept()
    world.cells["smuggling"] += 2
    body = f'{{"run_id": "{world.own["run"]}", "key": "smuggled", "value": "x"}}'.encode()
    for method, over in (("GET", "POST"), ("HEAD", "POST")):
        request = Request(method, f"{CHANGES}?{name}={over}", body, (JSON, (name, over)))
        assert world.send(request, "reader").status >= 400
    assert not world.kept().changed_since(before)


def test_doubled_login_is_none(world: World) -> None:
    world.cells["smuggling"] += 2
    (writer,) = world.callers["writer"]
    for headers in ((writer, writer), (("Authorization", "Bearer x"), writer)):
        answer = world.front.send(Request("GET", f"{READS}?run_id={world.own['run']}", None, headers))
        assert (answer.status, answer.error_code) == UNAUTHENTICATED
