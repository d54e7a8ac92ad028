"""The built image: what is in it, what is not, how it starts. BASE_IMAGE names another base to build from."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ContainerError

from server.tests.image import BUILD_ARGUMENTS, LABELS, NAME, SERVER, asked, built
from server.tests.image import run as run_image
from server.tests.test_dockerfile import ENVIRONMENT, given, pairs

pytestmark = pytest.mark.container

OURS = "/opt/server"
OWN_MEGABYTES = 360  # what it adds to its base; measured at 334
# Whatever looks like a secret in a text; AWS's own examples look like one, too.
SECRET = re.compile(
    r"(?i)AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|//[^/\s:]+:[^/\s@]+@"
    r"|[A-Z_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL)[A-Z_]*\s*=\s*\S+"
)
SECRET_FILE = re.compile(
    r"(^|/)(\.env|[^/]+\.env|\.git|\.aws|\.netrc|\.npmrc|\.pypirc|\.docker|id_[a-z0-9]+|credentials)(/|$)"
    r"|(^|/)Pulumi\.[^/]+$|\.(p12|pfx|key)$"
)
# Every module that could answer a request; what fails to import is printed with the reason.
WALK = """
import importlib, json, pkgutil, warnings
warnings.simplefilter("ignore")
failed = {}
for name in ("mlflow.server", "mlflow.store", "mlflow.entities"):
    folders = importlib.import_module(name).__path__
    for module in pkgutil.walk_packages(folders, name + ".", onerror=lambda _: None):
        try:
            importlib.import_module(module.name)
        except Exception as error:
            failed[module.name] = repr(error)
print(json.dumps(failed))
"""


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    with asked() as client:
        yield client


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> Iterator[Any]:
    """The image as Docker's API builds it."""
    with built(engine, SERVER, "api") as image:
        yield image


@pytest.fixture(scope="session")
def base(engine: docker.DockerClient, image: Any) -> Any:
    """Return the image that it was built from."""
    return engine.images.get(BUILD_ARGUMENTS.get("BASE", given("ARG")[0].removeprefix("BASE=")))


@pytest.fixture(scope="session")
def buildkit_image(engine: docker.DockerClient) -> Iterator[Any]:
    """The image as BuildKit builds it, with whichever client on this machine has it."""
    arguments = [f"--build-arg={name}={value}" for name, value in BUILD_ARGUMENTS.items()]
    refusals = []
    for client in clients():
        command = [client, "build", "--quiet", *arguments, f"--tag={NAME}:buildkit", str(SERVER)]
        done = subprocess.run(
            command, env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
        refusals.append(f"{client}: {done.stderr.strip()}")
    else:
        pytest.fail("\n".join(["no docker command here builds with BuildKit:", *refusals]))
    yield engine.images.get(f"{NAME}:buildkit")
    engine.images.remove(f"{NAME}:buildkit")


def clients() -> list[str]:
    """Every docker command on PATH, in its order."""
    folders = dict.fromkeys([*os.environ["PATH"].split(os.pathsep), "/usr/bin"])
    return [found for folder in folders if (found := shutil.which("docker", path=folder))]


@pytest.fixture
def run(engine: docker.DockerClient, image: Any) -> Callable[..., str]:
    """Return a function that runs a command in the image, without a network, and returns what it printed."""
    return lambda *command, **options: run_image(engine, image, *command, **options)


def files(engine: docker.DockerClient, image: Any) -> dict[str, str]:
    """Each file of the image with mode, owner and content's hash."""
    script = (
        r"find / -xdev \( -type f -o -type d -o -type l \) -printf '%M %U:%G %p -> %l\n'; "
        "find / -xdev -type f -exec sha256sum {} +"
    )
    found: dict[str, str] = {}
    for line in run_image(engine, image, "sh", "-c", script, user="0").splitlines():
        if match := re.fullmatch(r"([0-9a-f]{64})  (/.*)", line):
            found[match[2]] = found.get(match[2], "") + " " + match[1]
        elif match := re.fullmatch(r"(\S+ \S+) (/.*) -> (.*)", line):
            found[match[2]] = f"{match[1]} {match[3]}"
    return found


# What Docker or the day writes, whichever builder it was.
VOLATILE = re.compile(
    r"/(etc/(hostname|hosts|resolv\.conf|mtab)|\.dockerenv|proc|sys|dev|run)\b.*|/var/(log|cache)/.*"
)


def test_both_builders_make_the_same_image(
    engine: docker.DockerClient, image: Any, buildkit_image: Any
) -> None:
    one, other = files(engine, image), files(engine, buildkit_image)
    differing = {
        path: (one.get(path), other.get(path))
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path) and not VOLATILE.fullmatch(path)
    }
    assert len(one) > 1000
    assert differing == {}
    configured = ("User", "Env", "Cmd", "Entrypoint", "WorkingDir", "Volumes", "Labels", "ExposedPorts")
    assert {key: image.attrs["Config"].get(key) for key in configured} == {
        key: buildkit_image.attrs["Config"].get(key) for key in configured
    }


def test_it_stays_small(image: Any, base: Any, capsys: pytest.CaptureFixture[str]) -> None:
    megabytes = {name: one.attrs["Size"] / 1e6 for name, one in (("image", image), ("base", base))}
    with capsys.disabled():
        print(f"\nthe image has {megabytes['image']:.0f} MB, {megabytes['base']:.0f} of them its base's")
    assert megabytes["image"] - megabytes["base"] < OWN_MEGABYTES


def test_it_is_set_up_as_the_dockerfile_says(image: Any) -> None:
    config = image.attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["python", "-m", "tracking_server"]
    assert not config["Entrypoint"]
    assert config["WorkingDir"] == "/tmp"  # noqa: S108
    assert config["Volumes"] == {"/tmp": {}}  # noqa: S108
    assert config["ExposedPorts"] == {"5000/tcp": {}}
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "tracking_server.health"]
    assert pairs("LABEL").items() <= config["Labels"].items()
    assert {f"{name}={value}" for name, value in ENVIRONMENT.items()} <= set(config["Env"])


def test_it_runs_as_a_user_without_rights(run: Callable[..., str]) -> None:
    assert run("id").split() == ["uid=10001(mlflow)", "gid=10001(mlflow)", "groups=10001(mlflow)"]


def test_a_wrong_environment_is_told_as_the_server_tells_it(run: Callable[..., str]) -> None:
    with pytest.raises(ContainerError) as stopped:
        run(environment={"MLFLOW_PORT": "none"})
    said = (stopped.value.stderr or b"").decode()
    assert stopped.value.exit_status == 2
    assert "MLFLOW_PORT: received 'none', allowed is 1 to 65535" in said
    assert "PGHOST: received nothing" in said
    assert "PGSSLROOTCERT" not in said
    assert "Traceback" not in said


def test_no_start_compiles_what_the_read_only_root_cannot_keep(run: Callable[..., str]) -> None:
    said = run("sh", "-c", "python -v -m tracking_server.health 2>&1; true", read_only=True)
    loaded = [line for line in said.splitlines() if "code object from" in line]
    assert loaded
    assert [line for line in loaded if not line.endswith(".pyc'")] == []


def test_only_tmp_is_writable_on_a_fresh_volume_too(
    engine: docker.DockerClient, run: Callable[..., str]
) -> None:
    writable = "find / -xdev -writable -not -path '/proc/*' -not -path '/dev/*'"
    script = f"touch /tmp/it && stat -c '%a %U' /tmp; {writable}"
    volume = engine.volumes.create(labels=LABELS)
    try:
        mounted = {volume.name: {"bind": "/tmp"}}  # noqa: S108
        said = run("sh", "-c", f"({script}) 2>/dev/null; true", volumes=mounted, read_only=True)
    finally:
        volume.remove()
    assert said.split("\n") == ["1777 root", "/tmp", ""]  # noqa: S108
    # Where the root can be written, it is by root alone.
    assert run("find", OURS, "/opt/venv", "-not", "-type", "l", "-writable") == ""


def test_no_tool_that_builds_installs_or_fetches_is_left(run: Callable[..., str]) -> None:
    script = """
import importlib.util, shutil, subprocess, sys
tools = "pip pip3 gcc cc c++ make git curl wget uv".split()
modules = "pip ensurepip setuptools wheel pkg_resources".split()
print([tool for tool in tools if shutil.which(tool)])
look = f"import importlib.util; print([name for name in {modules} if importlib.util.find_spec(name)])"
for python in (sys.executable, sys._base_executable):
    print(subprocess.run([python, "-I", "-c", look], capture_output=True, check=True).stdout.decode().strip())
"""
    assert run("python", "-c", script).split("\n") == ["[]", "[]", "[]", ""]
    assert run("find", "/", "-xdev", "-name", "*.whl", user="0") == ""


def test_the_page_comes_with_its_script_and_style_compressed(run: Callable[..., str]) -> None:
    code = """
import gzip, re
from mlflow.server import app
from tracking_server.assets import serve_assets
serve_assets(app)
client = app.test_client()
for name in re.findall(r'static-files/static/[^"]+', client.get("/").text):
    compressed = client.get("/" + name, headers={"Accept-Encoding": "gzip"})
    whole = client.get("/" + name)
    same = gzip.decompress(compressed.data) == whole.data
    small = 3 * len(compressed.data) < len(whole.data)
    print(name.rpartition(".")[2], compressed.content_encoding, same, small)
"""
    assert run("python", "-c", code).split("\n") == ["js gzip True True", "css gzip True True", ""]
    build = ("find", "/opt/venv/lib", "-path", "*/server/js/build/*", "-size", "+1k")
    assert run(*build, "(", "-name", "*.js", "-o", "-name", "*.css", ")") == ""


def test_nothing_runs_as_somebody_else(run: Callable[..., str]) -> None:
    assert run("find", "/", "-xdev", "-type", "f", "-perm", "/6000", user="0") == ""


def test_of_the_build_context_only_the_server_is_in_it(run: Callable[..., str]) -> None:
    package = {str(path.relative_to(SERVER)) for path in (SERVER / "tracking_server").rglob("*.py")}
    found = set(run("find", OURS, "-type", "f", "-printf", r"%P\n").split())
    compiled = {name for name in found if name.endswith(".pyc")}
    assert found - compiled == package | {"rds-global-bundle.pem"}
    assert len(compiled) == len(package)
    assert run("find", "/", "-xdev", "-name", "requirements.lock", user="0") == ""
    code = "; ".join(
        [
            "import hashlib, pathlib",
            f"print(hashlib.sha256(pathlib.Path('{ENVIRONMENT['PGSSLROOTCERT']}').read_bytes()).hexdigest())",
        ]
    )
    assert (
        run("python", "-c", code).strip()
        == hashlib.sha256((SERVER / "rds-global-bundle.pem").read_bytes()).hexdigest()
    )


def test_a_checkout_that_only_its_owner_reads_makes_an_image_that_runs(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    context = tmp_path / "server"
    shutil.copytree(SERVER, context)
    # The lock keeps its mode: its step comes from the builder's cache then.
    for path in [context / "rds-global-bundle.pem", *(context / "tracking_server").rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    built, _ = engine.images.build(
        path=str(context), buildargs=BUILD_ARGUMENTS, tag=f"{NAME}:private", rm=True
    )
    try:
        with pytest.raises(ContainerError) as stopped:
            run_image(engine, built)
        assert stopped.value.exit_status == 2
    finally:
        engine.images.remove(f"{NAME}:private")


def test_all_of_mlflow_that_serves_is_there(run: Callable[..., str]) -> None:
    here = subprocess.run(
        [sys.executable, "-c", WALK], capture_output=True, text=True, check=True, cwd=tempfile.gettempdir()
    )
    rehearsed = json.loads(here.stdout.splitlines()[-1])
    shipped = json.loads(run("python", "-c", WALK, stderr=False).splitlines()[-1])
    assert len(shipped) < 10
    assert {name: why for name, why in shipped.items() if name not in rehearsed} == {}


def test_no_module_is_missed_when_the_server_loads(run: Callable[..., str]) -> None:
    load = (
        "import mlflow.server.handlers, mlflow.server.fastapi_app, tracking_server.serving; print('loaded')"
    )
    said = run("python", "-W", "error::ImportWarning", "-c", load, stderr=True)
    assert said.endswith("loaded\n")
    assert "No module named" not in said


def test_byte_code_is_there_for_every_source(run: Callable[..., str]) -> None:
    script = """
import importlib.util, os, pathlib
roots = [pathlib.Path("/opt/server"), pathlib.Path("/opt/venv/lib")]
sources = [str(path) for root in roots for path in root.rglob("*.py")]
missing = [path for path in sources if not os.path.exists(importlib.util.cache_from_source(path))]
print(len(sources) > 1000, missing)
"""
    assert run("python", "-c", script).strip() == "True []"


def test_every_package_keeps_its_legal_text(run: Callable[..., str]) -> None:
    script = """
import importlib.metadata as metadata
for one in metadata.distributions():
    for file in one.files or []:
        legal = any(word in file.name.upper() for word in ("LICEN", "COPYING", "NOTICE"))
        if legal and not file.locate().exists():
            print(one.metadata["Name"], file)
"""
    assert run("python", "-c", script) == ""


def suspicious(image: Any, base: Any) -> list[str]:
    """Return what looks like a secret in history, settings, or names of files of any layer above the base."""
    texts = [entry["CreatedBy"] for entry in image.history()]
    texts += [*image.attrs["Config"]["Env"], *(image.attrs["Config"]["Labels"] or {}).values()]
    found = [text for text in texts if SECRET.search(text)]
    with tempfile.TemporaryFile() as saved:
        for chunk in image.save():
            saved.write(chunk)
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            manifest = archive.extractfile("manifest.json")
            assert manifest
            layers = json.load(manifest)[0]["Layers"]
            of_the_base = len(base.attrs["RootFS"]["Layers"])
            assert len(layers) > of_the_base
            for layer in layers[of_the_base:]:
                content = archive.extractfile(layer)
                assert content
                with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
                    found += [name for name in inner.getnames() if SECRET_FILE.search(name)]
    return found


def test_no_layer_holds_a_secret(image: Any, base: Any) -> None:
    assert suspicious(image, base) == []


def test_a_secret_in_a_layer_would_be_found(
    engine: docker.DockerClient, image: Any, base: Any, tmp_path: Path
) -> None:
    (tmp_path / "prod.env").touch()
    (tmp_path / "Dockerfile").write_text(
        f"FROM {NAME}:api\nUSER 0\nENV DATABASE_PASSWORD=hunter2\nCOPY prod.env /opt/\nRUN rm /opt/prod.env\n"
    )
    with built(engine, tmp_path, "secret") as leaking:
        assert set(suspicious(leaking, base)) >= {"DATABASE_PASSWORD=hunter2", "opt/prod.env"}
