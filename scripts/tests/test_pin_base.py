"""The base's digest is what a registry says, or nothing changes."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

import pin_base
from rehearsal.certificates import CertificateAuthority
from rehearsal.emulator import Emulator

OTHER = "sha256:" + "0" * 64


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    return tmp_path / "Dockerfile"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Return the name of an image in a registry, and the digest that Docker pushed it under."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with Emulator(folder, CertificateAuthority(folder)) as emulator, closing(docker.from_env()) as engine:
        emulator.client("ecr").create_repository(repositoryName="base")
        name = f"{emulator.plain_url.removeprefix('http://')}/base"
        engine.images.build(path=str(folder), tag=f"{name}:1.0", rm=True, forcerm=True)
        try:
            said = list(engine.images.push(name, tag="1.0", stream=True, decode=True))
            (digest,) = [message["aux"]["Digest"] for message in said if "aux" in message]
            yield f"{name}:1.0", digest
        finally:
            engine.images.remove(f"{name}:1.0")


@pytest.mark.container
@pytest.mark.parametrize("pinned", ["", f"@{OTHER}"])
def test_the_registrys_digest_is_written_behind_the_tag(
    pushed: tuple[str, str], dockerfile: Path, capsys: pytest.CaptureFixture[str], pinned: str
) -> None:
    name, digest = pushed
    dockerfile.write_text(f"# above\nARG BASE={name}{pinned}\n\nFROM $BASE AS build\nFROM $BASE\n")
    assert pin_base.main([str(dockerfile)]) == pin_base.PINNED
    assert dockerfile.read_text() == f"# above\nARG BASE={name}@{digest}\n\nFROM $BASE AS build\nFROM $BASE\n"
    assert pin_base.main([str(dockerfile)]) == pin_base.PINNED
    said = capsys.readouterr().out
    assert said == f"pin-base: {name} is {digest}\npin-base: {name} already was {digest}\n"


@pytest.mark.container
def test_a_registry_that_does_not_have_it_changes_nothing(
    pushed: tuple[str, str], dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(dockerfile, pushed[0].replace(":1.0", ":2.0"), capsys)


@pytest.mark.container
def test_a_registry_that_does_not_answer_changes_nothing(
    dockerfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused(dockerfile, f"127.0.0.1:{nobody.getsockname()[1]}/base:1.0", capsys)


def test_without_docker_nothing_changes(
    dockerfile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    refused(dockerfile, "python:3.12.12-slim-bookworm", capsys)


@pytest.mark.parametrize("answer", ["", "latest", "sha256:12", "md5:" + "0" * 64])
def test_an_answer_that_is_no_digest_changes_nothing(
    dockerfile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    class Registry:
        id = answer

    monkeypatch.setattr("docker.models.images.ImageCollection.get_registry_data", lambda *_: Registry)
    monkeypatch.setattr("docker.from_env", lambda: docker.DockerClient(version="1.41"))
    refused(dockerfile, "python:3.12.12-slim-bookworm", capsys)


def refused(dockerfile: Path, base: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = f"ARG BASE={base}@{OTHER}\nFROM $BASE\n"
    dockerfile.write_text(before)
    assert pin_base.main([str(dockerfile)]) == pin_base.FAILED
    assert dockerfile.read_text() == before
    said = capsys.readouterr().err
    assert said.startswith(f"pin-base: {dockerfile} stays as it was, for nobody tells the digest of {base}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("text", ["", "FROM python:3.12\n", "ARG BASE\nFROM $BASE\n"])
def test_a_dockerfile_without_a_base_is_bad_input(
    dockerfile: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    dockerfile.write_text(text)
    assert pin_base.main([str(dockerfile)]) == pin_base.BAD_INPUT
    assert "received no line ARG BASE=" in capsys.readouterr().err


def test_a_dockerfile_that_is_not_there_is_bad_input(dockerfile: Path) -> None:
    assert pin_base.main([str(dockerfile)]) == pin_base.BAD_INPUT


def test_the_image_is_built_from_a_base_that_can_be_pinned() -> None:
    (line,) = pin_base.BASE.finditer(pin_base.DOCKERFILE.read_text())
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", line["name"])
