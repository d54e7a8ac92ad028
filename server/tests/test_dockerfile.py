"""What the Dockerfile declares is what stack, server and lock say; test_image.py sees it built."""

import re
import shlex
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

import containers
from server.tracking_server import variables

SERVER = Path(__file__).parents[1]
DOCKERFILE = (SERVER / "Dockerfile").read_text()


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction and what stands behind it, on one line."""
    lines = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)]


INSTRUCTIONS = instructions(DOCKERFILE)


def given(word: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == word]


def pairs(word: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in given(word) for pair in shlex.split(rest))


ENVIRONMENT = pairs("ENV")


def test_the_base_is_one_and_its_version_is_said_to_the_last_digit() -> None:
    assert INSTRUCTIONS[0][0] == "ARG"
    assert re.fullmatch(r"BASE=python:3\.1[123]\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", INSTRUCTIONS[0][1])
    assert given("FROM") == ["$BASE AS build", "$BASE"]


def test_every_variable_is_one_that_the_server_takes() -> None:
    ruled = {name for name in ENVIRONMENT if name.startswith(variables.RULED_PREFIXES)}
    assert ruled == {name for name, mending in variables.MENDING.items() if mending == variables.IMAGE}
    assert variables.address(ENVIRONMENT["MLFLOW_HOST"])
    assert variables.port(ENVIRONMENT["MLFLOW_PORT"]) == containers.PORT == int(given("EXPOSE")[0])
    bundle = Path(ENVIRONMENT["PGSSLROOTCERT"])
    assert variables.certificates(str(SERVER / bundle.name))
    assert str(bundle.parent) == ENVIRONMENT["PYTHONPATH"] == "/opt/server"


def test_it_runs_as_the_user_that_the_task_definition_names() -> None:
    assert given("USER") == [containers.USER]


def test_home_and_working_directory_are_the_one_writable_folder() -> None:
    assert ENVIRONMENT["HOME"] == given("WORKDIR")[-1] == given("VOLUME")[-1] == "/tmp"  # noqa: S108
    assert INSTRUCTIONS[-1][0] == "VOLUME"


def test_the_health_check_is_the_stacks() -> None:
    (check,) = given("HEALTHCHECK")
    assert check == (
        f"--interval={containers.HEALTH_INTERVAL_SECONDS}s --timeout={containers.HEALTH_TIMEOUT_SECONDS}s "
        f"--start-period={containers.HEALTH_START_SECONDS}s --retries={containers.HEALTH_RETRIES} "
        'CMD ["python", "-m", "tracking_server.health"]'
    )


def test_the_label_names_the_mlflow_that_is_locked() -> None:
    version = re.search(r"^mlflow==(\S+)", (SERVER / "requirements.lock").read_text(), re.MULTILINE)
    assert version
    assert pairs("LABEL")["org.mlflow.version"] == version[1]


@pytest.mark.parametrize("word", ["ENTRYPOINT", "ADD", "MAINTAINER"])
def test_nothing_else_decides_what_runs_or_what_comes_in(word: str) -> None:
    assert given(word) == []


def test_docker_is_sent_what_the_dockerfile_copies_and_no_more(tmp_path: Path) -> None:
    wanted = {
        "Dockerfile", "requirements.lock", "rds-global-bundle.pem", "tracking_server/serving.py",
        "tracking_server/routes/metrics.py",
    }  # fmt: skip
    tempting = {
        ".env", "prod.env", "Pulumi.prod.yaml", "requirements.in", "tests/conftest.py",
        ".git/config", "tracking_server/routes/__pycache__/metrics.pyc",
        "tracking_server/tests/test_serving.py", "tracking_server/.env", "id_rsa",
    }  # fmt: skip
    for name in wanted | tempting:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = [
        line
        for line in (SERVER / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    sent = {path for path in exclude_paths(str(tmp_path), patterns) if (tmp_path / path).is_file()}
    copied = {word for rest in given("COPY") if "--from" not in rest for word in rest.split()[:-1]}
    assert {path.split("/")[0] for path in sent} == copied | {"Dockerfile"}
    assert sent == wanted
