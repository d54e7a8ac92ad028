"""The way into Postgres: libpq reads the environment; the password is a new IAM token each time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
import psycopg2
import sqlalchemy.exc
from botocore.exceptions import BotoCoreError
from sqlalchemy import event
from sqlalchemy.engine import Engine

from .errors import DatabaseError
from .outage import away, lost
from .settings import Database

# Nothing of it is a secret or can go stale, so it may stand in logs and in MLflow's caches.
URI = "postgresql+psycopg2://"
RETRY_SECONDS = 1.0
# An address that dies without a word, as in a failover, is left after 6 s, whether something was sent to it
# (the last one) or an answer was waited for (the others). libpq has no variables for them.
NETWORK: dict[str, Any] = {
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
}
# What waiting does not mend. A token may be refused for some seconds after its right was granted, so that is
# not among them.
FINAL = (
    "password authentication failed",
    "certificate verify failed",
    "does not match host name",
    "does not exist",
    "no pg_hba.conf entry",
)

Connection = TypeVar("Connection")


def token_source(database: Database) -> Callable[[], str]:
    """Return what makes a new token for each login.

    RDS looks at it only then (15 minutes long it would be good), so open connections outlive it.
    """
    client = boto3.client("rds", region_name=database.region)
    return lambda: client.generate_db_auth_token(database.host, database.port, database.user)


def log_in_by_token(
    new_token: Callable[[], str], open_by: Callable[[Callable[[], Any]], Any] = lambda opening: opening()
) -> None:
    """Give every SQLAlchemy engine of this process, MLflow's and Alembic's too, a new token at each login.

    Args:
        new_token: called at each.
        open_by: calls what opens a connection: once, or again as `connect` does.
    """

    @event.listens_for(Engine, "do_connect")
    def _open(dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> Any:
        if dialect.name != "postgresql":
            return None
        if away():  # or all who wait for a thread would try, one after the other
            raise psycopg2.OperationalError("the database is away")
        try:
            return open_by(
                lambda: dialect.connect(*arguments, **parameters | NETWORK | {"password": new_token()})
            )
        except BotoCoreError:  # which SQLAlchemy does not take for an error of a database
            lost()
            raise


async def begin(new_token: Callable[[], str]) -> Any:
    """Begin a connection in psycopg2's asynchronous mode, past SQLAlchemy."""
    # In a thread: credentials that run out are asked for anew over the network, and libpq looks up the host.
    return await asyncio.to_thread(lambda: psycopg2.connect(password=new_token(), async_=True, **NETWORK))


def connect(
    database: Database, open_connection: Callable[[], Connection], seconds: float, say: Callable[[str], None]
) -> Connection:
    """Open a connection, and try again while a database that starts or fails over may still come.

    Args:
        database: where it is, for the message.
        open_connection: raises what psycopg2, SQLAlchemy or botocore raise.
        seconds: how long to try; infinite when a deadline of the whole program ends it.
        say: told the reason when it changes.

    Raises:
        DatabaseError: with the last reason.
    """
    deadline = time.monotonic() + seconds
    where = f"the database at {database.host}:{database.port}"
    said = ""
    while True:
        try:
            return open_connection()
        except BotoCoreError as error:
            raise DatabaseError(f"no AWS credentials to log in to {where} with: {error}") from None
        except psycopg2.OperationalError as error:
            reason = words(error)
        except sqlalchemy.exc.OperationalError as error:
            reason = words(error.orig)
        if any(final in reason for final in FINAL):
            raise DatabaseError(f"{where} refuses: {reason}")
        if time.monotonic() > deadline:
            raise DatabaseError(f"{where} did not let us in for {seconds:.0f} s: {reason}")
        if reason != said:
            say(f"waiting for {where}: {reason}")
            said = reason
        time.sleep(RETRY_SECONDS)


def words(error: BaseException | None) -> str:
    """Return an error's text in one line."""
    return " ".join(str(error).split())
