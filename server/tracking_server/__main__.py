"""Serves MLflow: checks environment and database, then answers until SIGTERM; exit codes as in prepare."""

import asyncio
import os
import signal
import sys
from typing import NoReturn

import anyio.to_thread
import sqlalchemy
import uvicorn
import uvloop

from .database import URI, connect, log_in_by_token
from .errors import SchemaError, StartError
from .mlflow_environment import THREADS, mlflow_environment
from .settings import Backend, ServerSettings, read_server

# The database answered a moment ago, when it was prepared.
CONNECT_SECONDS = 15
# Longer than the 60 s after which the load balancer closes an idle connection: were we the first to close it,
# a request could be on its way.
KEEP_ALIVE_SECONDS = 75
# Below the 60 s after which ECS kills the container (stopTimeout).
DRAIN_SECONDS = 50
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": LOG_FORMAT}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"},
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"},
    },
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn.access": {"handlers": ["stdout"], "level": "INFO", "propagate": False},
    },
}


def main() -> int:
    """Serve until SIGTERM, or say the one reason on stderr; return the exit code."""
    # uvicorn raises the signal again when it has drained, and ECS takes any exit code but 0 for a failure.
    signal.signal(signal.SIGTERM, _end)
    try:
        settings = read_server(os.environ)
        os.environ.update(mlflow_environment(settings.backend))
        _check_database(settings.backend)
    except StartError as error:
        print(f"tracking-server: {error}", file=sys.stderr)
        return error.exit_code
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))
    return 0


def _check_database(backend: Backend) -> None:
    log_in_by_token(backend)
    engine = sqlalchemy.create_engine(URI, poolclass=sqlalchemy.NullPool)
    connect(backend, engine.connect, CONNECT_SECONDS, _say).close()
    # MLflow reads its environment when it is imported.
    from . import schema  # noqa: PLC0415

    if not schema.is_ready(engine):
        raise SchemaError(
            "the database holds no tables of MLflow's: python -m tracking_server.prepare goes first"
        )


async def _serve(settings: ServerSettings) -> None:
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    from .application import Application  # noqa: PLC0415

    handlers.initialize_backend_stores()
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    config = uvicorn.Config(
        Application(app),
        host=settings.host,
        port=settings.port,
        http="httptools",
        # MLflow's start and stop only clear away after the assistant, which is sealed.
        lifespan="off",
        log_config=LOGGING,
        # The load balancer is not on this host, and what a client writes into these headers is not believed.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    await uvicorn.Server(config).serve()


def _say(progress: str) -> None:
    print(f"tracking-server: {progress}", file=sys.stderr)


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
