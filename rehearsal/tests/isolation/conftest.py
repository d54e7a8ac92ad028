"""The rehearsed stack with two teams' things in it, and everybody who may come."""

from collections.abc import Iterator

import pytest

from rehearsal.stack import RehearsedStack
from rehearsal.tests.isolation.world import World

TALLY = pytest.StashKey[dict[str, int]]()


@pytest.fixture(scope="session")
def world(running: RehearsedStack, request: pytest.FixtureRequest) -> Iterator[World]:
    """Seed both teams."""
    world = World(running)
    yield world
    request.config.stash[TALLY] = dict(world.cells)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how large the matrix was."""
    if cells := config.stash.get(TALLY, None):
        terminalreporter.section("isolation")
        each = ", ".join(f"{name} {number}" for name, number in cells.items())
        terminalreporter.line(f"{sum(cells.values())} cells: {each}")
