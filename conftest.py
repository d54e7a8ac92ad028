"""Leaves out the tests that need Docker where it does not answer, and says so; with REQUIRE_DOCKER never."""

import os
import sys

import pytest

from rehearsal.containers.docker import Docker

REQUIRED = "REQUIRE_DOCKER"
LEFT_OUT = pytest.StashKey[tuple[int, str]]()


@pytest.hookimpl(trylast=True)  # after -k and -m have selected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the container tier when it cannot run here."""
    tier = [item for item in items if item.get_closest_marker("container")]
    if not tier or os.environ.get(REQUIRED):
        return
    if reason := Docker.missing():
        config.hook.pytest_deselected(items=tier)
        items[:] = [item for item in items if item not in tier]
        config.stash[LEFT_OUT] = (len(tier), reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was not run, why, and what would run it."""
    number, reason = config.stash.get(LEFT_OUT, (0, ""))
    if number:
        terminalreporter.section("not run", yellow=True)
        terminalreporter.line(f"{number} tests of the container tier. {reason}")
        if sys.platform == "linux":
            terminalreporter.line("On Debian they run with:  .ci/with-docker make test K=container")
