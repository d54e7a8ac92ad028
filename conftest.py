"""Runs what shares a started world in one process, and leaves out what needs Docker where it does not answer.

What was left out is said; with REQUIRE_DOCKER nothing is.
"""

import os
import re
import signal
import sys
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from rehearsal.containers.docker import Docker

REQUIRED = "REQUIRE_DOCKER"
# Said at the end: title to lines.
SUMMARY = pytest.StashKey[dict[str, list[str]]]()
WORKER_OUTPUT = "summary"
# Starts its stacks once, but for the file whose tests start one each.
WORLD = re.compile(r"rehearsal/(?!tests/test_rehearsal\.py)")


class ByWorld(LoadScopeScheduling):
    """Hands out files, and the files of one world together."""

    def _split_scope(self, nodeid: str) -> str:
        return WORLD.pattern if WORLD.match(nodeid) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWorld:
    """Replace the choice of --dist."""
    return ByWorld(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the summary, and let SIGINT end what the tests start."""
    # A shell's background job ignores it, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[SUMMARY] = {}


@pytest.hookimpl(trylast=True)  # after -k and -m have selected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the container tier when it cannot run here."""
    tier = [item for item in items if item.get_closest_marker("container")]
    if not tier or os.environ.get(REQUIRED):
        return
    if reason := Docker.missing():
        config.hook.pytest_deselected(items=tier)
        items[:] = [item for item in items if item not in tier]
        said = config.stash[SUMMARY]["not run"] = [f"{len(tier)} tests of the container tier. {reason}"]
        if sys.platform == "linux":
            said.append("On Debian they run with:  .ci/with-docker make test K=container")


@pytest.fixture(scope="session")
def summary(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Return what is said at the end: title to lines."""
    return request.config.stash[SUMMARY]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports, when this is another."""
    if output := getattr(session.config, "workeroutput", None):
        output[WORKER_OUTPUT] = session.config.stash[SUMMARY]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process that ran tests has to say; one that died is a failure by itself."""
    node.config.stash[SUMMARY] |= getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it."""
    for title, lines in config.stash[SUMMARY].items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.line(line)
