"""Rows of a live Postgres against a copy of its files: what counts as changed since, and what as lost."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from rehearsal.backups import Backups, RestoredPostgres
from rehearsal.postgres import Postgres
from server.tracking_server.bound import ASK
from server.tracking_server.row_comparison import Table, compare_rows

pytestmark = pytest.mark.rehearsal

ROWS = 2_000
SETUP = f"""
CREATE TABLE runs (id int PRIMARY KEY, status text);
CREATE TABLE metrics (run int, step int, value double precision, PRIMARY KEY (step, run));
CREATE TABLE notes (said text);
INSERT INTO runs SELECT n, 'RUNNING' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO metrics SELECT n, s, n / 3.0 FROM generate_series(1, {ROWS}) AS n, generate_series(1, 3) AS s;
INSERT INTO notes VALUES ('a'), ('b'), ('b');
"""  # noqa: S608
# The live database goes on after the bound, before and after the copy's time.
GOES_ON = """
UPDATE runs SET status = 'FINISHED' WHERE id <= 5;
DELETE FROM runs WHERE id = 6;
INSERT INTO runs VALUES (100000, 'RUNNING');
INSERT INTO metrics VALUES (1, 4, 'NaN');
"""


class World:
    """A live Postgres, copies of it, and what is compared."""

    def __init__(self, live: Postgres, backups: Backups, stack: ExitStack) -> None:
        self._live, self._backups, self._stack = live, backups, stack

    def live(self, statements: str) -> None:
        _run(self._live, statements)

    def bound(self) -> int:
        with closing(self._live.connect()) as session, session.cursor() as cursor:
            cursor.execute(ASK)
            return int(cursor.fetchone()[0])

    def copy(self) -> RestoredPostgres:
        return self._stack.enter_context(RestoredPostgres(self._backups, self._backups.advance()))

    def compare(self, copy: Postgres, bound: int) -> tuple[dict[str, Table], list[str]]:
        with closing(self._live.connect()) as live, closing(copy.connect()) as restored:
            tables, faults = compare_rows(live.cursor(), restored.cursor(), bound, lambda _: None)
        return {table.name: table for table in tables}, faults


def _run(postgres: Postgres, statements: str) -> None:
    with closing(postgres.connect()) as session:
        session.cursor().execute(statements)
        session.commit()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        live = stack.enter_context(Postgres())
        yield World(live, stack.enter_context(Backups(live)), stack)


@pytest.fixture
def filled(world: World) -> tuple[World, int, RestoredPostgres]:
    """A live database that went on after the bound, and a copy of a time in between."""
    world.live("DROP TABLE IF EXISTS runs, metrics, notes")
    world.live(SETUP)
    bound = world.bound()
    world.live("UPDATE runs SET status = 'FAILED' WHERE id = 7")
    copy = world.copy()
    world.live(GOES_ON)
    return world, bound, copy


Filled = tuple[World, int, RestoredPostgres]


def test_what_goes_on_after_the_bound_is_no_difference(filled: Filled) -> None:
    world, bound, copy = filled
    tables, faults = world.compare(copy, bound)
    assert faults == []
    # Seven was changed between bound and copy, so neither side has it from before the bound.
    assert tables["runs"] == Table(name="runs", rows=ROWS - 1, changed=5, removed=1)
    assert tables["metrics"] == Table(name="metrics", rows=3 * ROWS)
    assert tables["notes"] == Table(name="notes", rows=3)


@pytest.mark.parametrize(
    ("damage", "table", "lost", "different"),
    [
        ("DELETE FROM metrics WHERE run = 77 AND step = 2", "metrics", 1, 0),
        ("DELETE FROM metrics WHERE run > 1990", "metrics", 30, 0),
        ("UPDATE metrics SET value = value + 1e-15 WHERE run = 1 AND step = 1", "metrics", 0, 1),
        ("UPDATE runs SET status = status WHERE id = 9", "runs", 0, 1),
        ("DELETE FROM notes WHERE ctid = (SELECT max(ctid) FROM notes)", "notes", 1, 0),
    ],
    ids=[
        "a row",
        "many rows",
        "the last bit of a value",
        "written again as it was",
        "one of two equal rows without a key",
    ],
)
def test_what_the_copy_lacks_or_has_otherwise_is_found(
    filled: Filled, damage: str, table: str, lost: int, different: int
) -> None:
    world, bound, copy = filled
    _run(copy, damage)
    tables, (fault,) = world.compare(copy, bound)
    assert (tables[table].lost, tables[table].different) == (lost, different)
    assert fault.startswith(f"{table}: ")
    assert tables[table].examples


def test_a_row_that_the_live_database_changed_or_deleted_is_not_missed_in_the_copy(filled: Filled) -> None:
    world, bound, copy = filled
    _run(copy, "DELETE FROM runs WHERE id IN (5, 6)")
    tables, faults = world.compare(copy, bound)
    assert faults == []
    assert (tables["runs"].changed, tables["runs"].removed) == (4, 0)


def test_a_copy_that_ends_before_the_bound_is_told_as_such(filled: Filled) -> None:
    world, _, copy = filled
    for n in range(60):
        world.live(f"INSERT INTO notes VALUES ('{n}')")  # noqa: S608
    tables, (fault,) = world.compare(copy, world.bound())
    assert tables == {}
    assert fault.startswith("the copy ends before transaction ")


def test_a_copy_that_lost_its_last_transactions_is_found_although_its_numbers_went_on(filled: Filled) -> None:
    world, _, copy = filled
    world.live("INSERT INTO notes VALUES ('the last')")
    bound = world.bound()
    with closing(copy.connect()) as session:
        session.autocommit = True
        for _ in range(60):
            session.cursor().execute("SELECT pg_current_xact_id()")
    _, faults = world.compare(copy, bound)
    assert [fault for fault in faults if fault.startswith("notes: 1 rows")]


def test_other_tables_are_told(filled: Filled) -> None:
    world, bound, copy = filled
    _run(copy, "DROP TABLE notes")
    assert world.compare(copy, bound) == (
        {},
        ["the copy has other tables than the live database: notes"],
    )


def test_a_logical_copy_fails_loudly(filled: Filled) -> None:
    """Its rows bear other numbers, so nothing can be compared as of the bound; it must not pass for equal."""
    world, _, _ = filled
    bound = world.bound()
    with Postgres() as other:
        _run(other, SETUP)
        with closing(other.connect()) as session:
            session.autocommit = True
            for _ in range(2 * bound):
                session.cursor().execute("SELECT pg_current_xact_id()")
        _, faults = world.compare(other, bound)
    assert faults


def test_a_session_still_at_work_is_not_asked_of_the_copy(world: World, filled: Filled) -> None:
    with closing(world._live.connect()) as at_work:
        at_work.cursor().execute("INSERT INTO notes VALUES ('not yet')")
        bound = world.bound()
        world.live("INSERT INTO notes VALUES ('done')")
        copy = world.copy()
        at_work.commit()
    tables, faults = world.compare(copy, bound)
    assert faults == []
    assert tables["notes"].lost == 0


def test_examples_are_few(filled: Filled) -> None:
    world, bound, copy = filled
    _run(copy, "DELETE FROM metrics")
    tables, _ = world.compare(copy, bound)
    found: Any = tables["metrics"]
    assert (found.lost, len(found.examples)) == (3 * ROWS, 5)
