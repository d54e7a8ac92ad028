"""One SQLAlchemy engine for all of MLflow's stores, of which each would keep connections of its own."""

import sqlalchemy
import sqlalchemy.exc
from mlflow.store.db import utils
from sqlalchemy.engine import Engine
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from .connections import MLFLOW
from .database import URI
from .outage import lost

# Nobody waits as long while the database answers.
WAIT_SECONDS = 10


class Pool(QueuePool):
    """Notes of a request that it got no connection, which MLflow would answer with 400."""

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, or raise what SQLAlchemy raises."""
        try:
            return super().connect()
        except sqlalchemy.exc.TimeoutError:
            lost()
            raise


def share() -> Engine:
    """Let each store that MLflow makes from now on use this engine.

    Raises, when MLflow asks for another database:
        ValueError: this server has one.
    """
    engine = sqlalchemy.create_engine(
        URI,
        poolclass=Pool,
        # All are kept: to open another costs a token, and one that is closed lasts a while in Postgres.
        pool_size=MLFLOW,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        # Asks before each use whether the connection still lives.
        pool_pre_ping=True,
    )

    def one(uri: str) -> Engine:
        if uri != URI:
            raise ValueError(f"no engine for {uri}: this server's database is {URI}")
        return engine

    utils.create_sqlalchemy_engine = one
    return engine
