"""Runs MLflow's app under uvicorn, in this process: one worker, as many threads as have connections."""

import anyio.to_thread
import uvicorn
from mlflow.server import handlers
from mlflow.server.fastapi_app import app

from .application import Application
from .mlflow_environment import THREADS

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


async def serve(host: str, port: int) -> None:
    """Answer until SIGTERM, then finish what is under way."""
    handlers.initialize_backend_stores()
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    config = uvicorn.Config(
        Application(app),
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
    await uvicorn.Server(config).serve()
