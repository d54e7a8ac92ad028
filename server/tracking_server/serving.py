"""Runs MLflow's app under uvicorn, in this process: one worker, as many threads as have connections."""

import asyncio
import logging

import anyio.to_thread
import uvicorn
import uvloop

from .application import HEALTH, App, Application
from .mlflow_environment import THREADS

# Longer than the 60 s after which the load balancer closes an idle connection: were we the first to close it,
# a request could be on its way.
KEEP_ALIVE_SECONDS = 75
# Below the 60 s after which ECS kills the container (stopTimeout).
DRAIN_SECONDS = 50
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line of uvicorn's access log is worth keeping: a passed health check is not."""
    # client, method, path, version, status
    return not (isinstance(record.args, tuple) and record.args[2::2] == (HEALTH, 200))


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
        "uvicorn.access": {
            "handlers": ["stdout"],
            "level": "INFO",
            "propagate": False,
            # Load balancer and container ask every few seconds.
            "filters": [is_news],
        },
    },
}


def serve_mlflow(host: str, port: int) -> None:
    """Answer until SIGTERM, then finish what is under way."""
    # MLflow reads its environment when it is imported.
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    handlers.initialize_backend_stores()
    serve(Application(app), host, port)


def serve(app: App, host: str, port: int) -> None:
    """Serve any ASGI app as MLflow's is served."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
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
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


async def _serve(config: uvicorn.Config) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    await uvicorn.Server(config).serve()
