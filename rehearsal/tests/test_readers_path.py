"""Runs what the README tells a data scientist to run, from its own text."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from docs.tests.markdown import fences
from rehearsal.laptop import ROOT
from rehearsal.stack import RehearsedStack
from rehearsal.teams import PERSON, TEAM
from rehearsal.tests.login import Api

COMMAND_SECONDS = 180.0
SECTIONS = ("A data scientist joins", "Does it work?")
CHECKOUT = (".venv", "client", "pyproject.toml", "scripts", "smoke_tests")
PULUMI = """#!/bin/sh
[ "$*" = "stack output --json" ] || { echo "unknown here: pulumi $*" >&2; exit 64; }
cat "$HOME/stack.json"
"""
MODEL = b"weights"


def readme(kind: str) -> str:
    page = (ROOT / "README.md").read_text()
    found = [fence for fence in fences(page) if fence.kind == kind and fence.section in SECTIONS]
    assert found
    return "".join(fence.text for fence in found)


@pytest.fixture
def laptop(running: RehearsedStack, tmp_path: Path) -> dict[str, str]:
    """Return the shell of a reader: the checkout, a profile `me`, a Pulumi that knows the stack."""
    assert running.deployment
    for name in CHECKOUT:
        (tmp_path / name).symlink_to(ROOT / name)
    outputs = {**running.deployment.outputs, "trackingUri": running.tracking_uri}
    (tmp_path / "stack.json").write_text(json.dumps(outputs))
    account = running.prerequisites.environment
    people = Path(account["AWS_SHARED_CREDENTIALS_FILE"]).read_text()
    (tmp_path / "credentials").write_text(people.replace(f"[{PERSON}]", "[me]"))
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(PULUMI)
    pulumi.chmod(0o755)
    (tmp_path / "train.py").write_text(readme("python"))
    (tmp_path / "model.pt").write_bytes(MODEL)
    return {
        **account,
        "HOME": str(tmp_path),
        "PATH": f"{pulumi.parent}:{tmp_path}/.venv/bin:/usr/bin:/bin",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        # What a company's machine has where its own authority vouches for the server.
        "REQUESTS_CA_BUNDLE": account["AWS_CA_BUNDLE"],
    }


@pytest.mark.rehearsal
def test_readme_brings_a_data_scientist_to_a_run_and_the_smoke_tests_to_an_end(
    running: RehearsedStack, laptop: dict[str, str], tmp_path: Path
) -> None:
    script = readme("sh aws")
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, env=laptop, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    following = re.search(r"^next: (.*)$", done.stdout, re.MULTILINE)
    assert following
    assert following[1] in script.splitlines()
    assert re.search(r"^=* ?\d+ passed in ", done.stdout, re.MULTILINE), done.stdout

    outputs = running.deployment.outputs
    api = Api(running, running.prerequisites.take(PERSON, outputs["teams"][TEAM]["writerRoleArn"]))
    found = api.get("2.0/mlflow/experiments/get-by-name", experiment_name="Default").json()["experiment"]
    (run,) = api.post(
        "2.0/mlflow/runs/search",
        experiment_ids=[found["experiment_id"]],
        filter="params.learning_rate = '0.01'",
    ).json()["runs"]
    assert run["info"]["status"] == "FINISHED"
    assert {each["key"]: each["value"] for each in run["data"]["params"]} == {"learning_rate": "0.01"}
    assert [(each["key"], each["value"], each["step"]) for each in run["data"]["metrics"]] == [
        ("loss", 0.3, 1)
    ]
    bucket = outputs["artifactBucket"]
    key = run["info"]["artifact_uri"].removeprefix(f"s3://{bucket}/") + "/model.pt"
    stored = running.emulator.client("s3").get_object(Bucket=bucket, Key=key)
    assert stored["Body"].read() == MODEL
