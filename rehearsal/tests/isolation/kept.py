"""What the stack keeps: every row of the database and every object of the bucket, to be compared."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from rehearsal.stack import RehearsedStack
from rehearsal.tests.isolation.sameness import TELLING_LENGTH
from rehearsal.tests.isolation.values import COMMON, Seeded

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"

# What anybody may write into anything.
WORDS = {"team", "table_name"}


@dataclass(frozen=True)
class Kept:
    """Rows as JSON by table, and versions of objects by key."""

    rows: Mapping[str, frozenset[str]]
    objects: frozenset[tuple[str, str]]

    def changed_since(self, before: "Kept") -> list[str]:
        """Name what is there now and was not, or is there no more."""
        rows = {t: self.rows[t] ^ before.rows[t] for t in before.rows}
        return [f"{t}: {row}" for t, some in rows.items() for row in some] + [
            str(each) for each in self.objects ^ before.objects
        ]

    def lost_since(self, before: "Kept") -> dict[str, frozenset[str]]:
        """Return the rows of each table that are there no more, as they were."""
        return {t: lost for t in before.rows if (lost := before.rows[t] - self.rows[t])}

    def new_since(self, before: "Kept") -> dict[str, frozenset[str]]:
        """Return the rows of each table that were not there."""
        return {t: new for t in before.rows if (new := self.rows[t] - before.rows[t])}


def kept(stack: RehearsedStack) -> Kept:
    """Read everything, past the server."""
    with closing(stack.postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        rows: dict[str, frozenset[str]] = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" AS t')  # noqa: S608 - the database's own names
            rows[table] = frozenset(row for (row,) in cursor.fetchall())
    return Kept(rows, objects(stack))


def objects(stack: RehearsedStack) -> frozenset[tuple[str, str]]:
    """List the versions of every object."""
    assert stack.deployment is not None
    s3, bucket = stack.emulator.client("s3"), stack.deployment.outputs["artifactBucket"]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return frozenset((o["Key"], o["VersionId"]) for page in pages for o in page.get("Versions", []))


def columns(row: str, own: Seeded) -> list[str]:
    """Name the columns of a row in which something of a team stands."""
    return [name for name, value in json.loads(row).items() if belongs(str(value), own)]


def belongs(row: str, own: Seeded) -> bool:
    """Tell whether a row names something of a team."""
    ids = (value for name, value in own.items() if name not in COMMON | WORDS)
    return any(value in row for value in ids if len(value) >= TELLING_LENGTH)
