"""Reads sampled artifacts of finished runs twice: as the restored server shows them, and as they were."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3

from .restored_server import CHUNK_BYTES, RestoredServer, ServerError
from .settings import ComparisonSettings

# Larger ones are left out: the server copies each to its disk before it shows it.
LARGEST_BYTES = 256 << 20
# Of one run, so that one with thousands does not stand for all.
MOST_OF_A_RUN = 5
# Runs without artifacts are looked at too before one with artifacts is found.
RUNS_FOR_A_SAMPLE = 20
# Ended before the copy's time: whoever changes its artifacts since then changes a result.
FINISHED = """
SELECT r.run_uuid, e.workspace, r.artifact_uri FROM runs r JOIN experiments e USING (experiment_id)
WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active' AND e.workspace <> 'default'
    AND r.status IN ('FINISHED', 'FAILED', 'KILLED') AND r.end_time <= %s
ORDER BY random() LIMIT %s
"""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file of a run, as the bucket held it at the copy's time."""

    run_id: str
    workspace: str
    path: str
    key: str
    version: str


def compare_artifacts(
    restored: Any, server: RestoredServer, settings: ComparisonSettings
) -> tuple[int, list[str]]:
    """Compare as many artifacts as the settings say, where there are so many.

    Args:
        restored: a cursor on the copy.
        server: runs on the copy.
        settings: name bucket, time and number.

    Returns:
        How many were compared, and a sentence for each that is not what it was.
    """
    bucket, _, _ = settings.restored.artifact_root.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", region_name=settings.restored.region)
    compared, faults = 0, []
    milliseconds = int(settings.restored_to.timestamp() * 1000)
    restored.execute(FINISHED, (milliseconds, settings.samples * RUNS_FOR_A_SAMPLE))
    for run_id, workspace, uri in restored.fetchall():
        room = min(MOST_OF_A_RUN, settings.samples - compared)
        if room <= 0:
            break
        prefix = f"{uri.removeprefix(f's3://{bucket}/')}/"
        found = _kept(s3, bucket, prefix, settings.restored_to) if uri.startswith(f"s3://{bucket}/") else ()
        for artifact in [Artifact(run_id=run_id, workspace=workspace, **one) for one in found][:room]:
            compared += 1
            if fault := _fault(s3, bucket, server, artifact):
                faults.append(fault)
    return compared, faults


def _kept(s3: Any, bucket: str, prefix: str, at: datetime) -> Iterator[dict[str, str]]:
    """Yield what lay under a prefix at a time, by the versions that S3 keeps."""
    newest: dict[str, dict[str, Any]] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            before = newest.get(version["Key"])
            if version["LastModified"] <= at and (
                before is None or before["LastModified"] < version["LastModified"]
            ):
                newest[version["Key"]] = version
    for key, version in newest.items():
        # A marker of a deletion has no size.
        if version.get("Size", LARGEST_BYTES + 1) <= LARGEST_BYTES:
            yield {"path": key.removeprefix(prefix), "key": key, "version": version["VersionId"]}


def _fault(s3: Any, bucket: str, server: RestoredServer, artifact: Artifact) -> str | None:
    body = s3.get_object(Bucket=bucket, Key=artifact.key, VersionId=artifact.version)["Body"]
    digest = hashlib.sha256()
    for chunk in body.iter_chunks(CHUNK_BYTES):
        digest.update(chunk)
    was = digest.hexdigest()
    where = f"s3://{bucket}/{artifact.key} was SHA-256 {was} in version {artifact.version}"
    try:
        shown = server.sha256(artifact.workspace, artifact.run_id, artifact.path)
    except ServerError as error:
        return f"{where}; now it cannot be shown: {error}"
    return None if shown == was else f"{where}; now it is {shown}"
