"""What pip installs, and where it must not be."""

import re
import tomllib
from importlib.metadata import distribution, entry_points
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()


def locked(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)", LOCK, re.MULTILINE)
    assert found, name
    return found[1]


def test_checkout_holds_every_requirement_in_a_version_that_is_allowed() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    for text in [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked(requirement.name)), text


def test_backend_is_the_one_that_the_checkout_builds_with() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    assert backend == f"flit_core=={locked('flit-core')}"


def test_checkout_has_it_installed() -> None:
    installed = distribution("mlflow-team")
    assert installed.version == PROJECT["project"]["version"]
    (login,) = entry_points(group="mlflow.request_auth_provider", name="aws-role")
    assert login.value == PROJECT["project"]["entry-points"]["mlflow.request_auth_provider"]["aws-role"]


def test_types_come_with_it() -> None:
    assert (ROOT / "client" / "mlflow_team" / "py.typed").exists()


def test_image_does_not_have_it() -> None:
    assert "mlflow-team" not in (ROOT / "server" / "requirements.lock").read_text()
    assert "flit" not in (ROOT / "server" / "requirements.lock").read_text()
