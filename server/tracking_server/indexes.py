"""The index that MLflow's search of runs needs and its migrations do not make, nor know."""

from collections.abc import Callable

from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine

# In the order in which a search without another returns them.
NEWEST_FIRST = "runs_newest_first"


def make(engine: Engine, say: Callable[[str], None]) -> None:
    """Create it where it is missing."""
    with engine.begin() as connection:
        there = {index["name"] for index in inspect(connection).get_indexes("runs")}
        if NEWEST_FIRST not in there:
            connection.execute(
                text(
                    f"CREATE INDEX IF NOT EXISTS {NEWEST_FIRST} "
                    "ON runs (experiment_id, lifecycle_stage, start_time DESC, run_uuid)"
                )
            )
            say(f"created the index {NEWEST_FIRST}")
