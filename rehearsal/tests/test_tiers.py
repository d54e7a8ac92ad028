"""Where Docker is missing, the container tier is left out and named; where it is required, it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Nothing listens there.
NO_DOCKER = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
TIER = "rehearsal/tests/test_image_build.py"
FOLDERS = ("rehearsal/tests", "scripts/tests/test_sbom.py", "server/tests/test_image.py")

pytestmark = pytest.mark.rehearsal


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--exitfirst", *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "REQUIRE_DOCKER"} | NO_DOCKER | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_docker_the_tier_is_left_out_and_the_way_to_run_it_is_said() -> None:
    done = run(TIER, "rehearsal/tests/test_inputs.py")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "tests of the container tier. Docker does not answer: " in done.stdout
    assert ".ci/with-docker make test K=container" in done.stdout


def test_where_docker_is_required_the_tier_fails_without_it() -> None:
    done = run(TIER, REQUIRE_DOCKER="1")
    assert done.returncode == 1
    assert "deselected" not in done.stdout


def test_everything_of_the_tier_is_selected_by_its_name() -> None:
    """What the sentence above promises: `K=container`."""
    named = run("--collect-only", "--quiet", "-k", "container", *FOLDERS, REQUIRE_DOCKER="1")
    marked = run("--collect-only", "--quiet", "-m", "container", *FOLDERS, REQUIRE_DOCKER="1")
    tier = {line for line in marked.stdout.splitlines() if "::" in line}
    assert tier
    assert tier <= set(named.stdout.splitlines())


def test_nothing_is_said_of_tests_that_nobody_asked_for() -> None:
    assert "container tier" not in run(TIER, "rehearsal/tests/test_inputs.py", "-k", "test_inputs").stdout
