"""Every route of the installed MLflow, asked by everybody: what is not theirs might as well not exist."""

import pytest

from rehearsal.tests.isolation import foreign
from rehearsal.tests.isolation.callers import DENIED, STRANGERS
from rehearsal.tests.isolation.catalog import CATALOG
from rehearsal.tests.isolation.entry import Entry, Kind
from rehearsal.tests.isolation.installed import OWN, installed_routes
from rehearsal.tests.isolation.kept import belongs, columns
from rehearsal.tests.isolation.sameness import unordered
from rehearsal.tests.isolation.values import standing
from rehearsal.tests.isolation.world import World
from server.tracking_server.routes import classify

pytestmark = pytest.mark.rehearsal

GUARDED = tuple(kind for kind in Kind if kind is not Kind.OPEN)
# An id that the other team wrote into a thing of its own, and that leads nowhere from there: it says no more
# than the other team knew, and is kept just so for an id that does not exist.
DANGLING = {
    "entity_associations.destination_id",  # prompts of a trace
    "inputs.destination_id",  # models that a run read or wrote
    "logged_models.source_run_id",
    "model_versions.run_id",
}
# MLflow has one primary key for the traces of all teams: of an id that the client chose, it cannot have two.
# Whoever asks must know the 128 random bits of it.
RESIDUAL = ("POST 3.0/mlflow/traces at /api/3.0/mlflow/traces with ('trace',) of the other team: 404 ",)


def test_every_route_is_in_the_catalog_and_nothing_else() -> None:
    assert {entry.key for entry in CATALOG} == set(installed_routes()) | OWN
    assert not OWN & set(installed_routes()), "MLflow's answer would be hidden"


def test_the_server_takes_each_route_for_what_the_catalog_takes_it(world: World) -> None:
    wrong = []
    for entry, target in world.targets:
        request = entry.request(target, standing(world.own))
        route = classify(request.method, request.target.partition("?")[0])
        found = route.kind.value if route else "none"
        expected = "none" if entry.key in OWN else Kind.ASSET if entry.kind is Kind.OPEN else entry.kind
        if found != expected:
            wrong.append(f"{entry.line} at {target}: {found}, in the catalog {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("caller", STRANGERS)
def test_stranger_is_refused_on_every_route(caller: str, world: World) -> None:
    before = world.kept()
    cells = [world.refused(e, t, caller, STRANGERS[caller]) for e, t in world.of_kind(*GUARDED)]
    failed = world.ask("strangers", cells)
    assert not failed, "\n".join(failed)
    changed = world.kept().changed_since(before)
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("caller", [*STRANGERS, "reader"])
def test_health_version_and_readiness_are_open(caller: str, world: World) -> None:
    cells = [world.allowed(e, t, caller) for e, t in world.of_kind(Kind.OPEN)]
    assert not world.ask("open", cells)


@pytest.mark.parametrize("caller", ["reader", "writer", "other team's writer", "admin"])
def test_sealed_route_is_refused_to_everybody(caller: str, world: World) -> None:
    before = world.kept()
    cells = [world.refused(e, t, caller, DENIED) for e, t in world.of_kind(Kind.SEALED)]
    failed = world.ask("sealed", cells)
    assert not failed, "\n".join(failed)
    changed = world.kept().changed_since(before)
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("caller", ["reader", "writer", "other team's writer", "admin"])
def test_workspaces_are_changed_by_nobody(caller: str, world: World) -> None:
    before = world.kept()
    changing = [(e, t) for e, t in world.of_kind(Kind.WORKSPACES) if not e.line.startswith("GET ")]
    failed = world.ask("workspaces", [world.refused(e, t, caller, DENIED) for e, t in changing])
    assert not failed, "\n".join(failed)
    changed = world.kept().changed_since(before)
    assert not changed, "\n".join(changed)


def test_reader_reads_everything_and_changes_nothing(world: World) -> None:
    before = world.kept()
    values = standing(world.own)
    readable = [world.allowed(e, t, "reader", values) for e, t in _readable(world)]
    denied = [world.refused(e, t, "reader", DENIED) for e, t in world.of_kind(Kind.WRITE)]
    failed = world.ask("reader", [*readable, *denied])
    assert not failed, "\n".join(failed)
    changed = world.kept().changed_since(before)
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("caller", ["writer", "admin"])
def test_writer_and_admin_work_with_everything(caller: str, world: World) -> None:
    cells = [world.allowed(e, t, caller) for e, t in (*_readable(world), *world.of_kind(Kind.WRITE))]
    failed = world.ask(caller, cells)
    assert not failed, "\n".join(failed)


def test_admin_without_a_team_is_refused(world: World) -> None:
    works = list(world.of_kind(Kind.READ, Kind.WRITE))
    failed = world.ask("admin", [world.refused(e, t, "admin without a team", DENIED) for e, t in works])
    assert not failed, "\n".join(failed)


def test_what_another_team_has_might_as_well_not_exist(world: World) -> None:
    before, read_before = world.kept(), _read_back(world)
    reading = [each for e, t in _readable(world) for each in foreign.cells(world, e, t)]
    failed = world.ask("other team", reading)
    writing = [each for e, t in world.of_kind(Kind.WRITE) for each in foreign.cells(world, e, t)]
    failed += world.ask("other team", writing)
    residual = [each for each in failed if any(known in each for known in RESIDUAL)]
    # One that is mended must not stay excused.
    assert len(residual) == len(RESIDUAL), residual
    failed = [each for each in failed if each not in residual]
    # What it wrote may not show it anything either, when it reads its own.
    own = [world.allowed(e, t, foreign.OTHER, standing(world.other)) for e, t in _readable(world)]
    failed += world.ask("other team", own)
    failed += [
        f"shown in its own: {line}"
        for line, text in _reads(world, foreign.OTHER)
        if world.own["mark"] in text
    ]
    after = world.kept()
    failed += [
        f"lost in {table}: {row}"
        for table, rows in after.lost_since(before).items()
        for row in rows
        if not belongs(row, world.other)
    ]
    failed += [
        f"new in {table}.{column}: {row}"
        for table, rows in after.new_since(before).items()
        for row in rows
        for column in columns(row, world.own)
        if f"{table}.{column}" not in DANGLING
    ]
    read_after = _read_back(world)
    failed += [f"reads otherwise: {line}" for line, text in read_before.items() if read_after[line] != text]
    assert not failed, "\n".join(failed)


def test_canary_whoever_is_let_in_is_told_from_one_who_is_not(world: World) -> None:
    """The team's own writer gets another answer than for what does not exist, each time."""
    reading = [(e, t) for e, t in world.of_kind(Kind.READ) if set(foreign.ids(e)) - {"fresh"}]
    failed = [bool(world.refused(e, t, "writer", (200, ""))()) for e, t in reading]
    assert all(failed)


def _readable(world: World) -> list[tuple[Entry, str]]:
    looking = [(e, t) for e, t in world.of_kind(Kind.WORKSPACES) if e.line.startswith("GET ")]
    return [*world.of_kind(Kind.ASSET, Kind.READ), *looking]


def _reads(world: World, caller: str) -> list[tuple[str, str]]:
    own = world.other if caller == foreign.OTHER else world.own

    def text(entry: Entry, target: str) -> str:
        answer = world.send(entry.request(target, standing(own)), caller)
        return f"{answer.status} {unordered(answer.text)}"

    return [(f"{e.line} {e.body}", text(e, e.targets[-1])) for e, _ in world.of_kind(Kind.READ)]


def _read_back(world: World) -> dict[str, str]:
    return dict(_reads(world, "reader"))
