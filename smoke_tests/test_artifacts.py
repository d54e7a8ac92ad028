"""Artifacts go from the client straight to the team's prefix in S3; the server shows them."""

import hashlib
import os
from pathlib import Path
from typing import Any

import mlflow
import pytest

from smoke_tests.browser import Browser
from smoke_tests.conftest import LoggedRun
from smoke_tests.stack import Stack

MEBIBYTE = 1024 * 1024
LARGE_FILE = 64 * MEBIBYTE
CHUNK = 1 * MEBIBYTE


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Browser:
    return Browser(stack)


def test_artifacts_land_in_s3_under_the_teams_prefix(stack: Stack, run: LoggedRun, s3: Any) -> None:
    experiment = mlflow.get_experiment(run.experiment_id)
    assert experiment.artifact_location == f"s3://{run.bucket}/workspaces/{stack.team}/{run.experiment_id}"
    assert run.artifact_uri.startswith(f"{experiment.artifact_location}/{run.run_id}/")
    stored = s3.get_object(Bucket=run.bucket, Key=run.key("notes/note.txt"))
    assert stored["Body"].read() == run.artifact


def test_ui_lists_the_artifacts(run: LoggedRun, browser: Browser) -> None:
    listing = browser.get("ajax-api/2.0/mlflow/artifacts/list", run_id=run.run_id, path="notes")
    assert listing.status_code == 200, listing.text
    assert [(file["path"], int(file["file_size"])) for file in listing.json()["files"]] == [
        ("notes/note.txt", len(run.artifact))
    ]


def test_ui_downloads_an_artifact(run: LoggedRun, browser: Browser) -> None:
    answer = browser.get("get-artifact", run_uuid=run.run_id, path="notes/note.txt")
    assert (answer.status_code, answer.content) == (200, run.artifact)


def test_large_file_goes_to_s3_in_parts(run: LoggedRun, s3: Any, tmp_path: Path) -> None:
    # No byte passes through the server: the client knows no other address.
    assert run.artifact_uri.startswith("s3://")
    large = tmp_path / "weights.bin"
    content = os.urandom(LARGE_FILE)
    large.write_bytes(content)
    with mlflow.start_run(run_id=run.run_id):
        mlflow.log_artifact(str(large))
    stored = s3.get_object(Bucket=run.bucket, Key=run.key(large.name))
    parts = int(stored["ETag"].strip('"').partition("-")[2] or 1)
    assert parts > 1, f"one part only: ETag {stored['ETag']}"
    received = hashlib.sha256()
    for chunk in stored["Body"].iter_chunks(CHUNK):
        received.update(chunk)
    assert received.hexdigest() == hashlib.sha256(content).hexdigest()
