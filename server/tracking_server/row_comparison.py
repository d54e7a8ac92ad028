"""Compares each table of a live database with a physical copy of it, as of one transaction number.

Postgres keeps in each row the number of the transaction that wrote it (`xmin`), and a restored copy keeps
these numbers. So "older than the bound" selects the same rows on both sides, however much the live side has
gone on. A row that was changed on the live side since then bears a newer number there, and a row that was
deleted is gone there; neither is a difference. A row that the live side has unchanged must be in the copy,
byte by byte.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql

# Rows are counted and summed up by bucket where they are; only those of buckets that differ are fetched.
BUCKETS = 65_536
# A row holds the lower 32 bits of a transaction's number.
XID_BITS = 0xFFFFFFFF
NAMED = 5
PROGRESS = "comparing {table}"

NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
# Each with the columns of its primary key; in one without, a row is known by its place in the file.
TABLES = """
SELECT c.relname, coalesce((
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
ROWS = """
SELECT {key} AS key, the_row.xmin::text::bigint AS xid,
    hashtextextended(the_row::text, 0) AS content, hashtextextended({key}, 0) & {last_bucket} AS bucket,
    (the_row.xmin::text::bigint - %(bound)s) & {xid_bits} >= %(width)s AS old
FROM public.{table} AS the_row
"""
SUMS = "SELECT bucket, count(*), sum(content) FROM ({rows}) AS hashed WHERE old GROUP BY bucket"
FETCH = "SELECT key, xid, content, old FROM ({rows}) AS hashed WHERE bucket = ANY (%(buckets)s)"


@dataclass(kw_only=True)
class Table:
    """What became of the rows of one table that are older than the bound.

    Attributes:
        rows: so many the copy holds.
        changed, removed: so many of these the live database has changed or deleted since.
        lost: so many the live database holds unchanged, and the copy not at all.
        different: so many have another content in the copy.
        examples: keys of the first of these.
    """

    name: str
    rows: int = 0
    changed: int = 0
    removed: int = 0
    lost: int = 0
    different: int = 0
    examples: list[str] = field(default_factory=list)

    def fault(self) -> str | None:
        """Say what is wrong with the copy of this table, or None."""
        if not self.lost and not self.different:
            return None
        return (
            f"{self.name}: {self.lost} rows of the live database are not in the copy and {self.different} "
            f"are otherwise there, such as {', '.join(self.examples)}"
        )


def compare_rows(
    live: Any, restored: Any, bound: int, say: Callable[[str], None]
) -> tuple[list[Table], list[str]]:
    """Compare every table; return what was found of each, and a sentence for each fault.

    Args:
        live: a cursor of a read-only session.
        restored: the same of the copy.
        bound: the number below which every transaction of the live database had ended before the copy's time.
        say: told each table before it is read.
    """
    ends = [_one(cursor, NEXT_TRANSACTION) for cursor in (live, restored)]
    if min(ends) < bound:
        reason = f"the copy ends before transaction {min(ends)}, and the drill began with {bound}"
        return [], [f"{reason}: it is older than it says, or no copy of this database"]
    keys = [_tables(cursor) for cursor in (live, restored)]
    if keys[0] != keys[1]:
        names = sorted({*keys[0], *keys[1]} - {t for t in keys[0] if keys[0].get(t) == keys[1].get(t)})
        return [], [f"the copy has other tables than the live database: {', '.join(names)}"]
    tables = []
    for name, columns in keys[0].items():
        say(PROGRESS.format(table=name))
        pair = _Pair(live, restored, name, columns, {"bound": bound, "width": max(ends) - bound})
        tables.append(pair.compare())
    return tables, [fault for table in tables if (fault := table.fault())]


class _Pair:
    """One table on both sides."""

    def __init__(
        self, live: Any, restored: Any, name: str, columns: list[str], values: dict[str, Any]
    ) -> None:
        self._live, self._restored = live, restored
        self._values = values
        self._found = Table(name=name)
        fields = sql.SQL(", ").join(sql.Identifier("the_row", column) for column in columns)
        self._rows = sql.SQL(ROWS).format(
            key=sql.SQL("ROW({})::text").format(fields if columns else sql.SQL("the_row.ctid")),
            table=sql.Identifier(name),
            last_bucket=sql.Literal(BUCKETS - 1),
            xid_bits=sql.Literal(XID_BITS),
        )

    def compare(self) -> Table:
        sums = [dict(self._sums(cursor)) for cursor in (self._live, self._restored)]
        self._found.rows = sum(count for count, _ in sums[1].values())
        unequal = [bucket for bucket in {*sums[0], *sums[1]} if sums[0].get(bucket) != sums[1].get(bucket)]
        if unequal:
            live, restored = (self._fetch(cursor, unequal) for cursor in (self._live, self._restored))
            self._judge(live, restored)
        return self._found

    def _sums(self, cursor: Any) -> Iterator[tuple[int, tuple[int, int]]]:
        cursor.execute(sql.SQL(SUMS).format(rows=self._rows), self._values)
        for bucket, count, content in cursor:
            yield bucket, (count, int(content))

    def _fetch(self, cursor: Any, buckets: list[int]) -> dict[str, tuple[bool, int, int]]:
        cursor.execute(sql.SQL(FETCH).format(rows=self._rows), {**self._values, "buckets": buckets})
        return {key: (old, xid, content) for key, xid, content, old in cursor}

    def _judge(
        self, live: dict[str, tuple[bool, int, int]], restored: dict[str, tuple[bool, int, int]]
    ) -> None:
        found = self._found
        for key, row in live.items():
            is_old = row[0]
            if not is_old:
                continue
            if key not in restored:
                found.lost += 1
            elif restored[key] != row:
                found.different += 1
            else:
                continue
            if len(found.examples) < NAMED:
                found.examples.append(key)
        old = [key for key, row in restored.items() if row[0]]
        found.changed = sum(key in live and not live[key][0] for key in old)
        found.removed = sum(key not in live for key in old)


def _tables(cursor: Any) -> dict[str, list[str]]:
    cursor.execute(TABLES)
    return dict(cursor.fetchall())


def _one(cursor: Any, statement: str) -> int:
    cursor.execute(statement)
    return int(cursor.fetchone()[0])
