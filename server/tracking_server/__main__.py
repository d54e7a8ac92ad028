"""Serves MLflow: checks environment and database, then answers until SIGTERM; exit codes as in prepare."""

import os
import signal
import sys
import warnings
from typing import NoReturn

import sqlalchemy

from .database import URI, connect, log_in_by_token, token_source
from .errors import SchemaError, StartError
from .mlflow_environment import mlflow_environment
from .redaction import redact_logs
from .serving import serve_mlflow
from .settings import Backend, read_server
from .sts import sts_origin
from .token import Place

# The database answered a moment ago, when it was prepared.
CONNECT_SECONDS = 15


def main() -> int:
    """Serve until SIGTERM, or say the one reason on stderr; return the exit code."""
    # uvicorn raises the signal again when it has drained, and ECS takes any exit code but 0 for a failure.
    signal.signal(signal.SIGTERM, _end)
    redact_logs()
    try:
        settings = read_server(os.environ)
        os.environ.update(mlflow_environment(settings.backend))
        region = settings.backend.region
        place = Place(server_id=settings.server_id, region=region, sts=sts_origin(region))
        new_token = token_source(settings.backend)
        log_in_by_token(new_token)
        _check_database(settings.backend)
    except StartError as error:
        print(f"tracking-server: {error}", file=sys.stderr)
        return error.exit_code
    _say("the database is ready; loading MLflow")
    # It is about an import of MLflow's, which we cannot mend, and says so at each start.
    warnings.filterwarnings(
        "ignore", r"starlette\.middleware\.wsgi is deprecated", module=r"mlflow\.server\.fastapi_app$"
    )
    serve_mlflow(settings, place, new_token)
    return 0


def _check_database(backend: Backend) -> None:
    engine = sqlalchemy.create_engine(URI, poolclass=sqlalchemy.NullPool)
    connect(backend, engine.connect, CONNECT_SECONDS, _say).close()
    # MLflow reads its environment when it is imported.
    from . import schema  # noqa: PLC0415

    if not schema.is_ready(engine):
        raise SchemaError(
            "the database holds no tables of MLflow's: python -m tracking_server.prepare goes first"
        )


def _say(progress: str) -> None:
    print(f"tracking-server: {progress}", file=sys.stderr)


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
