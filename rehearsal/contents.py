"""What a database holds, table by table, so that before and after can be compared."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY table_name, column_name
"""
MODELS_IN_ATTRIBUTES = """
SELECT ROW(span_id, dimension_attributes ->> 'mlflow.llm.model')::text FROM spans
WHERE dimension_attributes ->> 'mlflow.llm.model' IS NOT NULL
"""
# MLflow's migration 75868b020152 moves these into columns of their own: what is read where there is none, and
# where there is. The tag and the column that it takes them from are left out otherwise.
MOVED = {
    ("trace_tags", "trace_info", "trace_name"): (
        "SELECT ROW(request_id, value)::text FROM trace_tags WHERE key = 'mlflow.traceName'",
        "SELECT ROW(request_id, trace_name)::text FROM trace_info WHERE trace_name IS NOT NULL",
    ),
    ("spans", "spans", "model_name"): (
        MODELS_IN_ATTRIBUTES,
        "SELECT ROW(span_id, model_name)::text FROM spans WHERE model_name IS NOT NULL",
    ),
}
EMPTIED = ("spans", "dimension_attributes")
WHERE = {"trace_tags": sql.SQL(" WHERE key <> 'mlflow.traceName'")}


@dataclass(frozen=True)
class Table:
    """The contents of some columns of a table.

    Attributes:
        rows: how many.
        digest: SHA-256 of the rows in order, whatever the order in which they lie.
    """

    columns: tuple[str, ...]
    rows: int
    digest: str


def contents(connection: Any, like: Mapping[str, Table] | None = None) -> dict[str, Table]:
    """Read each table of the schema public, but Alembic's; or those and the columns of an earlier reading.

    Args:
        connection: psycopg2's, of somebody who may read all.
        like: the earlier reading. What of it is there no more is left out, so the two are not equal then.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        there: dict[str, list[str]] = {}
        for table, column in cursor.fetchall():
            if (table, column) != EMPTIED:
                there.setdefault(table, []).append(column)
        there.pop("alembic_version", None)
        wanted = {name: table.columns for name, table in like.items()} if like is not None else there
        found = {
            name: _table(cursor, name, tuple(column for column in columns if column in there[name]))
            for name, columns in wanted.items()
            if name in there
        }
        for (old, new, column), (before, after) in MOVED.items():
            if old in there and (like is None or column in like):
                found[column] = _read(cursor, (), after if column in there[new] else before)
        return found


def _table(cursor: Any, name: str, columns: tuple[str, ...]) -> Table:
    fields = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("SELECT ROW({})::text FROM {}").format(fields, sql.Identifier(name))
    return _read(cursor, columns, query + WHERE.get(name, sql.SQL("")))


def _read(cursor: Any, columns: tuple[str, ...], query: Any) -> Table:
    cursor.execute(query)
    rows = sorted(row for (row,) in cursor.fetchall())
    return Table(columns, len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
