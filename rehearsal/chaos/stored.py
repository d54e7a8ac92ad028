"""What is on the server, read past it: rows of its database and objects of its bucket."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rehearsal.chaos.ledger import Entry
from rehearsal.stack import RehearsedStack

OWN_TAGS = ("mlflow.", "mlflow_team.")
OWN_FOLDER = "provenance/"


@dataclass
class StoredRun:
    """One run.

    Attributes:
        entries: what was logged to it, and how many times; tags and artifacts of the package's own left out.
        tags: all of them.
        timestamps: of each metric's points, Unix milliseconds.
    """

    run_id: str
    name: str
    status: str
    deleted: bool
    artifacts: str
    entries: Counter[Entry] = field(default_factory=Counter)
    tags: dict[str, str] = field(default_factory=dict)
    timestamps: dict[Entry, list[int]] = field(default_factory=lambda: defaultdict(list))


class Stored:
    """Reads the runs of one experiment and forgets their artifacts."""

    def __init__(self, stack: RehearsedStack) -> None:
        self._stack = stack
        self._s3 = stack.emulator.client("s3")

    def runs(self, experiment: str) -> list[StoredRun]:
        """Return every run of the experiment with all that is on it."""
        with closing(self._stack.postgres.connect()) as connection:
            cursor = connection.cursor()

            def rows(columns: str, table: str, more: str = "") -> list[tuple[Any, ...]]:
                cursor.execute(
                    f"SELECT {columns} FROM {table} JOIN experiments e USING (experiment_id)"  # noqa: S608
                    f" WHERE e.name = %s {more}",
                    (experiment,),
                )
                return cursor.fetchall()

            found = {
                row[0]: StoredRun(row[0], row[1], row[2], row[3] == "deleted", row[4])
                for row in rows("r.run_uuid, r.name, r.status, r.lifecycle_stage, r.artifact_uri", "runs r")
            }
            for run_id, key, value in rows(
                "t.run_uuid, t.key, t.value", "tags t JOIN runs r USING (run_uuid)"
            ):
                run = found[run_id]
                run.tags[key] = value
                if not key.startswith(OWN_TAGS):
                    run.entries[Entry(run.name, "tag", key, value)] += 1
            for run_id, key, value in rows(
                "p.run_uuid, p.key, p.value", "params p JOIN runs r USING (run_uuid)"
            ):
                run = found[run_id]
                run.entries[Entry(run.name, "param", key, value)] += 1
            for run_id, key, value, nan, step, at in rows(
                "m.run_uuid, m.key, m.value, m.is_nan, m.step, m.timestamp",
                "metrics m JOIN runs r USING (run_uuid)",
            ):
                run = found[run_id]
                entry = Entry(run.name, "metric", key, "nan" if nan else repr(value), step)
                run.entries[entry] += 1
                run.timestamps[entry].append(at)
        for run in found.values():
            self._add_artifacts(run)
        return list(found.values())

    def forget(self, runs: Iterable[StoredRun]) -> None:
        """Take the runs' objects out of the emulator's memory."""
        for run in runs:
            address = urlsplit(run.artifacts)
            for page in self._s3.get_paginator("list_object_versions").paginate(
                Bucket=address.netloc, Prefix=address.path.lstrip("/")
            ):
                for version in page.get("Versions", []):
                    self._s3.delete_object(
                        Bucket=address.netloc, Key=version["Key"], VersionId=version["VersionId"]
                    )

    def _add_artifacts(self, run: StoredRun) -> None:
        address = urlsplit(run.artifacts)
        prefix = address.path.strip("/") + "/"
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=address.netloc, Prefix=prefix):
            for found in page.get("Contents", []):
                path = found["Key"].removeprefix(prefix)
                if not path.startswith(OWN_FOLDER):
                    body = self._s3.get_object(Bucket=address.netloc, Key=found["Key"])["Body"].read()
                    run.entries[Entry(run.name, "artifact", path, hashlib.sha256(body).hexdigest())] += 1
