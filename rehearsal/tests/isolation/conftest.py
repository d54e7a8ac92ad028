"""The rehearsed stack with two teams' things in it, and everybody who may come."""

from collections.abc import Iterator

import pytest

from rehearsal.stack import RehearsedStack
from rehearsal.tests.isolation.world import World


@pytest.fixture(scope="session")
def world(running: RehearsedStack, summary: dict[str, list[str]]) -> Iterator[World]:
    """Seed both teams, and say at the end how large the matrix was."""
    world = World(running)
    yield world
    each = ", ".join(f"{name} {number}" for name, number in world.cells.items())
    summary["isolation"] = [f"{sum(world.cells.values())} cells: {each}"]
