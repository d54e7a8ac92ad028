"""What Postgres does with the same data when nothing stands before it: one connection, psycopg2."""

import io
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from benchmarks.seed import HISTORY, WRITTEN
from rehearsal.postgres import Postgres

SECONDS = 3.0
KEYS = 10
COPY = "COPY metrics (run_uuid, key, value, timestamp, step, is_nan) FROM STDIN"
LOG = """
WITH history AS (
    INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan)
    VALUES (%(run)s, 'loss', 1, %(step)s, %(step)s, false)
)
INSERT INTO latest_metrics AS old (run_uuid, key, value, timestamp, step, is_nan)
    VALUES (%(run)s, 'loss', 1, %(step)s, %(step)s, false)
    ON CONFLICT (run_uuid, key) DO UPDATE
    SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step
"""
SELECT = """
SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = %s AND key = 'loss'
    ORDER BY timestamp, step, value
"""


class Bounds:
    """Measures on the database of one of those compared."""

    def __init__(self, postgres: Postgres, database: str) -> None:
        self._postgres = postgres
        self._database = database

    def commits(self) -> float:
        """Return how many times a second a metric is written and committed."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            begun = time.perf_counter()
            done = 0
            while (now := time.perf_counter()) < begun + SECONDS:
                cursor.execute(LOG, {"run": WRITTEN, "step": _step()})
                done += 1
            return done / (now - begun)

    def copied(self, size: int) -> float:
        """Return how many metrics are copied in a second, `size` in each commit."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            begun = time.perf_counter()
            done = 0
            while (now := time.perf_counter()) < begun + SECONDS:
                cursor.copy_expert(COPY, io.StringIO("".join(_rows(size))))
                done += size
            return done / (now - begun)

    def history(self) -> float:
        """Return the milliseconds in which the seeded history is fetched."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            begun = time.perf_counter()
            cursor.execute(SELECT, (HISTORY,))
            cursor.fetchall()
            return (time.perf_counter() - begun) * 1e3

    def _connect(self) -> Any:
        connection = self._postgres.connect(database=self._database)
        connection.autocommit = True
        return connection


def _rows(size: int) -> Iterator[str]:
    first = _step()
    for place in range(size):
        step = first + place // KEYS
        yield f"{WRITTEN}\tmetric_{place % KEYS}\t{place / step!r}\t{step}\t{step}\tf\n"


def _step() -> int:
    return time.monotonic_ns() // 1000 % 10**12
