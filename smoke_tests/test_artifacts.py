"""Artifacts go from the client straight to the team's prefix in S3."""

import hashlib
import os
from pathlib import Path
from typing import Any

import mlflow

from smoke_tests.conftest import LoggedRun
from smoke_tests.stack import Stack

MEBIBYTE = 1024 * 1024
LARGE_FILE = 64 * MEBIBYTE
CHUNK = 1 * MEBIBYTE


def test_artifacts_land_in_s3_under_the_teams_prefix(stack: Stack, run: LoggedRun, s3: Any) -> None:
    experiment = mlflow.get_experiment(run.experiment_id)
    assert experiment.artifact_location == f"s3://{run.bucket}/workspaces/{stack.team}/{run.experiment_id}"
    assert run.artifact_uri.startswith(f"{experiment.artifact_location}/{run.run_id}/")
    stored = s3.get_object(Bucket=run.bucket, Key=run.key("notes/note.txt"))
    assert stored["Body"].read() == run.artifact


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
