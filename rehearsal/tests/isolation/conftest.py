"""The rehearsed stack with two teams' things in it, and everybody who may come."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.stack import RehearsedStack
from rehearsal.tests.isolation.world import World

TALLY = pytest.StashKey[dict[str, Any]]()


@pytest.fixture(scope="session")
def world(running: RehearsedStack, request: pytest.FixtureRequest) -> Iterator[World]:
    """Seed both teams."""
    begun = time.monotonic()
    world = World(running)
    yield world
    request.config.stash[TALLY] = {"cells": dict(world.cells), "seconds": time.monotonic() - begun}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how large the matrix was."""
    if tally := config.stash.get(TALLY, None):
        cells = ", ".join(f"{name} {number}" for name, number in tally["cells"].items())
        total = sum(tally["cells"].values())
        terminalreporter.section("isolation")
        terminalreporter.line(f"{total} cells in {tally['seconds']:.0f} s: {cells}")
