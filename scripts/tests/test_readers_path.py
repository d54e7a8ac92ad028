"""Runs what the README tells a data scientist to run, from its own text."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from docs.tests.markdown import fences
from scripts.tests.stand_in import BUCKET, COMMAND_SECONDS, PROJECT, WITHOUT_LOGIN, Laptop, StandIn

SECTIONS = ("A data scientist joins", "Does it work?")
CHECKOUT = (".venv", "pyproject.toml", "scripts", "smoke_tests")
PULUMI = """#!/bin/sh
[ "$*" = "stack output --json" ] || { echo "unknown here: pulumi $*" >&2; exit 64; }
cat "$HOME/stack.json"
"""
MODEL = b"weights"


def readme(kind: str) -> str:
    page = (PROJECT / "README.md").read_text()
    found = [fence for fence in fences(page) if fence.kind == kind and fence.section in SECTIONS]
    assert found
    return "".join(fence.text for fence in found)


@pytest.fixture
def reader(stack: StandIn, tmp_path: Path) -> Laptop:
    """Return the laptop of a reader: the checkout, a profile `me`, a Pulumi that knows the stack."""
    for name in CHECKOUT:
        (tmp_path / name).symlink_to(PROJECT / name)
    laptop = Laptop(stack, tmp_path)
    laptop.outputs.rename(tmp_path / "stack.json")
    people = Path(laptop.environment["AWS_SHARED_CREDENTIALS_FILE"]).read_text()
    (tmp_path / "credentials").write_text(people.replace("[ada]", "[me]"))
    laptop.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "credentials")
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(PULUMI)
    pulumi.chmod(0o755)
    laptop.environment["PATH"] = f"{pulumi.parent}:{tmp_path}/.venv/bin:/usr/bin:/bin"
    laptop.environment["PYTEST_ADDOPTS"] = " ".join(WITHOUT_LOGIN)
    (tmp_path / "train.py").write_text(readme("python"))
    (tmp_path / "model.pt").write_bytes(MODEL)
    return laptop


def ask(stack: StandIn, path: str, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{stack.tracking_uri}/api/2.0/mlflow/{path}",
        data=json.dumps(body).encode() if body else None,
        headers={"Content-Type": "application/json", "X-MLFLOW-WORKSPACE": "vision"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.rehearsal
def test_readme_brings_a_data_scientist_to_a_run_and_the_smoke_tests_to_an_end(
    stack: StandIn, reader: Laptop
) -> None:
    script = readme("sh aws")
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=reader.folder, env=reader.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    following = re.search(r"^next: (.*)$", done.stdout, re.MULTILINE)
    assert following
    assert following[1] in script.splitlines()
    assert re.search(r"^=* ?\d+ passed in ", done.stdout, re.MULTILINE), done.stdout

    experiment = ask(stack, "experiments/get-by-name?experiment_name=Default")["experiment"]
    (run,) = ask(
        stack,
        "runs/search",
        experiment_ids=[experiment["experiment_id"]],
        filter="params.learning_rate = '0.01'",
    )["runs"]
    assert run["info"]["status"] == "FINISHED"
    assert {each["key"]: each["value"] for each in run["data"]["params"]} == {"learning_rate": "0.01"}
    assert [(each["key"], each["value"], each["step"]) for each in run["data"]["metrics"]] == [
        ("loss", 0.3, 1)
    ]
    key = run["info"]["artifact_uri"].removeprefix(f"s3://{BUCKET}/") + "/model.pt"
    assert stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == MODEL
