import re

import pytest

import docker_engine
from infra.tests.fake_docker import FakeDocker

pytestmark = pytest.mark.rehearsal


def test_docker_that_answers_is_taken(docker: FakeDocker) -> None:
    assert docker_engine.docker_fault() is None
    assert docker.calls == ["version --format {{.Server.Version}}"]


def test_docker_that_does_not_answer_is_not_waited_for(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.answers("exec sleep 60")
    monkeypatch.setattr(docker_engine, "SECONDS", 0.5)
    assert re.search(r"docker version did not answer within 0\.5 s", str(docker_engine.docker_fault()))


def test_missing_command_is_said(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    said = "the command docker cannot be run: No such file or directory"
    assert said in str(docker_engine.docker_fault())


@pytest.mark.parametrize("value", ["0", "off"])
def test_without_buildkit_docker_is_not_even_asked(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", value)
    fault = docker_engine.docker_fault()
    assert fault
    assert (fault.key, fault.received, fault.command) == ("DOCKER_BUILDKIT", value, "unset DOCKER_BUILDKIT")
    assert docker.calls == []


def test_docker_that_says_nothing_is_said(docker: FakeDocker) -> None:
    docker.answers("exit 3")
    assert re.search("docker version ended with 3", str(docker_engine.docker_fault()))


def test_fault_is_one_line_whatever_docker_says(docker: FakeDocker) -> None:
    docker.answers("printf 'permission denied\\nwhile  trying\\n' >&2; exit 1")
    fault = docker_engine.docker_fault()
    assert fault
    assert fault.received == "nothing, and no Docker to build one: permission denied while trying"
    assert "start it" in fault.allowed
    assert fault.command.startswith("pulumi config set image ")
