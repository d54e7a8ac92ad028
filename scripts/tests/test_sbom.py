"""The list of what an image holds is what is in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sbom
from server.tests.image import SERVER, asked, built, run

METADATA = b"Metadata-Version: 2.4\nName: A.b\nVersion: 1.0\n"
IMAGE: dict[str, Any] = {
    "Id": "sha256:00", "RepoDigests": ["registry/a@sha256:11"], "Created": "2026-11-23T19:00:00.123456789Z",
    "Config": {"Env": ["PYTHON_VERSION=3.12.12"]},
}  # fmt: skip
LIST = """
import importlib.metadata as metadata, json
print(json.dumps(sorted((one.metadata["Name"], one.version) for one in metadata.distributions())))
"""


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    with asked() as client:
        yield client


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> Iterator[Any]:
    with built(engine, SERVER, "sbom") as image:
        yield image


@pytest.fixture(scope="session")
def listed(image: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what `make sbom` writes about the image."""
    output = tmp_path_factory.mktemp("sbom") / "sbom.json"
    assert sbom.main([image.tags[0], "--output", str(output)]) == sbom.MADE
    return json.loads(output.read_text())


def packages(listed: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    found = [one for one in listed["components"] if one["purl"].startswith(f"pkg:{kind}/")]
    return sorted((one["name"], one["version"]) for one in found)


@pytest.mark.container
def test_it_lists_what_is_installed_and_nothing_else(
    engine: docker.DockerClient, image: Any, listed: dict[str, Any]
) -> None:
    def said(*command: str) -> str:
        return run(engine, image, *command)

    python = [tuple(one) for one in json.loads(said("python", "-c", LIST))]
    lines = said("dpkg-query", "-W", "-f", "${Package} ${Version}\\n").splitlines()
    debian = [tuple(line.split()) for line in lines]
    assert len(python) > 50
    assert packages(listed, "pypi") == python
    assert len(debian) > 50
    assert packages(listed, "deb") == sorted(debian)


@pytest.mark.container
def test_it_lists_the_libraries_inside_wheels(
    engine: docker.DockerClient, image: Any, listed: dict[str, Any]
) -> None:
    found = run(engine, image, "find", "/opt/venv", "-path", "*.libs/*.so*", "-printf", "%f\\n")
    inside = {one["name"] for part in listed["components"] for one in part.get("components", [])}
    files = set(found.split())
    assert any(name.startswith("libpq-") for name in files)
    assert files <= inside


@pytest.mark.container
def test_it_lists_all_that_is_locked_for_the_images_python(
    engine: docker.DockerClient, image: Any, listed: dict[str, Any]
) -> None:
    code = "import json; from packaging.markers import default_environment as now; print(json.dumps(now()))"
    environment = json.loads(run(engine, image, "python", "-c", code))
    lines = re.sub(r"\\\n\s*--hash=\S+", "", (SERVER / "requirements.lock").read_text()).splitlines()
    wanted = [
        (canonicalize_name(one.name), str(one.specifier).removeprefix("=="))
        for one in map(Requirement, lines)
        if one.marker is None or one.marker.evaluate(environment)
    ]
    installed = [(canonicalize_name(name), version) for name, version in packages(listed, "pypi")]
    assert sorted(installed) == sorted(wanted)


@pytest.mark.container
def test_it_names_the_image_and_is_the_same_each_time(
    image: Any, listed: dict[str, Any], tmp_path: Path
) -> None:
    assert listed["metadata"]["component"]["version"] == image.id
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    again = tmp_path / "again.json"
    assert sbom.main([image.tags[0], "--output", str(again)]) == sbom.MADE
    assert json.loads(again.read_text()) == listed


@pytest.mark.container
def test_it_knows_the_licences_and_what_wheels_bring_along(listed: dict[str, Any]) -> None:
    python = [one for one in listed["components"] if one["purl"].startswith("pkg:pypi/")]
    assert [one["name"] for one in python if "licenses" not in one] == []
    (psycopg2,) = [one for one in python if one["name"] == "psycopg2-binary"]
    assert any(part["name"].startswith("krb5") for part in psycopg2["components"])


@pytest.mark.container
def test_an_image_that_is_not_there_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main(["mlflow-tracking-test/none:none"]) == sbom.BAD_INPUT
    assert "received 'mlflow-tracking-test/none:none', allowed is" in capsys.readouterr().err


def test_no_docker_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    assert sbom.main(["any"]) == sbom.FAILED
    assert capsys.readouterr().err.startswith("sbom: ")


def bill(**files: bytes) -> dict[str, Any]:
    return json.loads(sbom.validated(sbom.bill("a:1", IMAGE, files)))


@pytest.mark.parametrize(
    ("headers", "licences"),
    [
        (b"License-Expression: MIT OR Apache-2.0\nLicense: MIT\n", [{"expression": "MIT OR Apache-2.0"}]),
        (
            b"Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved\n",
            [{"license": {"name": "MIT License"}}],
        ),
        (b"License: BSD\nClassifier: License :: OSI Approved\n", [{"license": {"name": "BSD"}}]),
        (b"License: " + b"The whole text. " * 99 + b"\n", None),
        (b"", None),
    ],
)
def test_a_licence_is_what_the_package_says(headers: bytes, licences: list[dict[str, Any]] | None) -> None:
    made = bill(**{"opt/venv/lib/a_b-1.0.dist-info/METADATA": METADATA + headers})
    (component,) = made["components"]
    assert component["purl"] == "pkg:pypi/a-b@1.0"
    assert component.get("licenses") == licences


def test_a_removed_debian_package_is_not_listed() -> None:
    status = b"Package: a\nStatus: %s\nArchitecture: amd64\nVersion: 1:1.0-1\nDescription: a\n b: c\n"
    removed = status.replace(b": a", b": b") % b"deinstall ok config-files"
    made = bill(
        **{
            "usr/lib/os-release": b'ID=debian\nVERSION_ID="12"\n',
            "var/lib/dpkg/status": status % b"install ok installed" + b"\n" + removed,
        }
    )
    assert [one["purl"] for one in made["components"]] == [
        "pkg:deb/debian/a@1:1.0-1?arch=amd64&distro=debian-12"
    ]


def test_an_interpreter_that_dpkg_does_not_know_is_listed() -> None:
    made = bill(**{"usr/local/bin/python3.12": b""})
    assert [one["purl"] for one in made["components"]] == ["pkg:generic/python@3.12.12"]


def test_an_image_without_packages_is_refused() -> None:
    with pytest.raises(ValueError, match="no package"):
        bill()


def test_what_does_not_keep_to_the_format_is_refused() -> None:
    made = sbom.bill("a:1", IMAGE, {"usr/local/bin/python3.12": b""})
    made["components"][0]["type"] = "thing"
    with pytest.raises(ValueError, match=r"CycloneDX 1\.6"):
        sbom.validated(made)
