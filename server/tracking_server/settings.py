"""What the programs are told by their environment: read once, checked as a whole, then frozen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from . import variables
from .errors import SettingsError
from .variables import Variables

Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where runs are kept.

    Attributes:
        region: of the database, and of the bucket.
        host: of the database; its certificate bears this name.
    """

    region: str
    host: str
    port: int
    database: str
    user: str


@dataclass(frozen=True, kw_only=True)
class Backend(Database):
    """Where runs and artifacts are kept.

    Attributes:
        artifact_root: `s3://bucket` or `s3://bucket/prefix`.
    """

    artifact_root: str


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What `python -m tracking_server` is told; its lists of hosts and origins MLflow reads itself.

    Attributes:
        access_list: path of the SSM parameters that say who may come in.
        server_id: the host name that clients sign into their login.
    """

    backend: Backend
    access_list: str
    server_id: str
    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class PreparationSettings:
    """What `python -m tracking_server.prepare` is told."""

    backend: Backend
    access_list: str
    master_username: str
    master_password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """What `python -m tracking_server.compare` is told.

    Attributes:
        live: the database that serves, entered by a user who only reads.
        restored: the copy of it, entered by the user who owns its tables.
        restored_to: the time of the live database that the copy is of.
        bound: transactions of the live database below this number had ended when the drill began.
        samples: artifacts to read.
    """

    live: Backend
    restored: Backend
    restored_to: datetime
    bound: int
    samples: int
    server_id: str
    port: int


def read_live(environment: Mapping[str, str]) -> Backend:
    """Read what looking at the live database needs.

    Raises:
        SettingsError: with a line for every fault.
    """
    read = Variables(environment, foreign=variables.MASTER)
    backend = _backend(read)
    if read.faults:
        raise SettingsError("\n".join(read.faults))
    return backend


def read_comparison(environment: Mapping[str, str]) -> ComparisonSettings:
    """Read what comparing the live database with its copy needs.

    Raises:
        SettingsError: with a line for every fault.
    """
    read = Variables(environment, foreign=variables.MASTER)
    live = _backend(read)
    copy: dict[str, Any] = {
        "host": read.one("RESTORED_HOST", variables.host_name),
        "port": read.one("RESTORED_PORT", variables.port),
        "user": read.one("RESTORED_USER", variables.identifier),
    }
    return _settings(
        ComparisonSettings,
        read,
        live=live,
        restored=replace(live, **copy),
        restored_to=read.one("RESTORED_TO", variables.moment),
        bound=read.one("BOUND", variables.count),
        samples=read.one("SAMPLES", variables.count),
        server_id=read.one("SERVER_ID", variables.host_name),
        port=read.one("MLFLOW_PORT", variables.port),
    )


@dataclass(frozen=True, kw_only=True)
class MigrationSettings:
    """What `python -m tracking_server.migrate` is told.

    Attributes:
        adopting_team: whose workspace gets what lies in `default`; None leaves it there.
    """

    database: Database
    adopting_team: str | None


def read_server(environment: Mapping[str, str]) -> ServerSettings:
    """Read what the server needs.

    Raises:
        SettingsError: with a line for every fault.
    """
    # The master's login is for the container that prepares the database, and for no other.
    read = Variables(environment, foreign=variables.MASTER)
    read.each("MLFLOW_SERVER_ALLOWED_HOSTS", variables.allowed_host)
    read.each("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", variables.origin)
    return _settings(
        ServerSettings,
        read,
        backend=_backend(read),
        access_list=read.one("ACCESS_LIST", variables.access_list),
        server_id=read.one("SERVER_ID", variables.host_name),
        host=read.one("MLFLOW_HOST", variables.address),
        port=read.one("MLFLOW_PORT", variables.port),
    )


def read_preparation(environment: Mapping[str, str]) -> PreparationSettings:
    """Read what preparing the database needs.

    Raises:
        SettingsError: with a line for every fault.
    """
    read = Variables(environment)
    return _settings(
        PreparationSettings,
        read,
        backend=_backend(read),
        access_list=read.one("ACCESS_LIST", variables.access_list),
        master_username=read.one("DATABASE_MASTER_USERNAME", variables.identifier),
        master_password=read.one("DATABASE_MASTER_PASSWORD", str),
    )


def read_migration(environment: Mapping[str, str]) -> MigrationSettings:
    """Read what migrating the database needs.

    Raises:
        SettingsError: with a line for every fault.
    """
    read = Variables(environment, foreign=variables.MASTER)
    adopting = environment.get(variables.ADOPTING_TEAM)
    return _settings(
        MigrationSettings,
        read,
        database=Database(**_database(read)),
        adopting_team=read.one(variables.ADOPTING_TEAM, variables.workspace) if adopting else None,
    )


def _backend(read: Variables) -> Backend:
    artifact_root: Any = read.one("ARTIFACT_ROOT", variables.artifact_root)
    return Backend(**_database(read), artifact_root=artifact_root)


def _database(read: Variables) -> dict[str, Any]:
    # The rules of libpq's own variables, which are not passed on but stay where libpq finds them.
    read.one("PGSSLMODE", variables.sslmode)
    read.one("PGSSLROOTCERT", variables.certificates)
    return {
        "region": read.one("AWS_REGION", variables.region),
        "host": read.one("PGHOST", variables.host_name),
        "port": read.one("PGPORT", variables.port),
        "database": read.one("PGDATABASE", variables.identifier),
        "user": read.one("PGUSER", variables.identifier),
    }


def _settings(kind: Callable[..., Settings], read: Variables, **values: Any) -> Settings:
    if read.faults:
        raise SettingsError("\n".join(read.faults))
    return kind(**values)
