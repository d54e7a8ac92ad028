"""Runs MLflow's app under uvicorn, in this process: one worker, as many threads as have connections."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import anyio.to_thread
import uvicorn
import uvloop

from .access_list import load
from .access_watch import AccessWatch
from .application import HEALTH, READY, App, Application
from .audit import NAME as AUDIT
from .audit import Audit
from .connections import THREADS
from .database import begin
from .login import Login
from .outage import Outage
from .readiness import Readiness, bucket_check, database_check
from .settings import ServerSettings
from .sts import Sts
from .token import Place
from .workspaces import DEFAULT

# Longer than the 60 s after which the load balancer closes an idle connection: were we the first to close it,
# a request could be on its way.
KEEP_ALIVE_SECONDS = 75
# Below the 60 s after which ECS kills the container (stopTimeout).
DRAIN_SECONDS = 50
LOG = logging.getLogger("tracking_server")
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line of uvicorn's access log is worth keeping: a passed check is not."""
    # client, method, path, version, status
    return not (isinstance(record.args, tuple) and record.args[2::2] in {(HEALTH, 200), (READY, 200)})


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": LOG_FORMAT}, "message": {"format": "%(message)s"}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"},
        "audit": {"class": "logging.StreamHandler", "formatter": "message", "stream": "ext://sys.stdout"},
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"},
    },
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "tracking_server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        AUDIT: {"handlers": ["audit"], "level": "INFO", "propagate": False},
        "uvicorn.access": {
            "handlers": ["stdout"],
            "level": "INFO",
            "propagate": False,
            # Load balancer and container ask every few seconds.
            "filters": [is_news],
        },
    },
}


def serve_mlflow(settings: ServerSettings, place: Place, new_token: Callable[[], str]) -> None:
    """Answer until SIGTERM, then finish what is under way."""
    # MLflow reads its environment when it is imported.
    from mlflow.server import app as flask_app  # noqa: PLC0415
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415
    from mlflow.server.workspace_helpers import _get_workspace_store  # noqa: PLC0415
    from mlflow.version import VERSION  # noqa: PLC0415

    from . import engine, stores, tables  # noqa: PLC0415
    from .assets import serve_assets  # noqa: PLC0415
    from .fast_reads import fast_reads  # noqa: PLC0415
    from .fast_writes import fast_writes  # noqa: PLC0415
    from .write_pool import WritePool  # noqa: PLC0415

    stores.register(settings.backend.artifact_root)
    serve_assets(flask_app)
    mlflows = engine.share()
    handlers.initialize_backend_stores()
    workspaces = _get_workspace_store()
    stores.keep_workspaces(workspaces)

    def make_workspaces(teams: Collection[str]) -> None:
        tables.make_workspaces(workspaces, teams, LOG.info)
        for name in (DEFAULT, *teams):
            workspaces.get_workspace(name)  # and keep it, before a request needs it

    watch = AccessWatch(lambda: load(settings.access_list, place.region), make_workspaces)
    sts = Sts(place)
    login = Login(place, sts.ask, watch.admit)
    pool = WritePool(lambda: begin(new_token))
    database = database_check(lambda: begin(new_token))
    outage = Outage(database, renew=(mlflows.dispose, pool.renew))
    mlflow_app = outage.guard(app)
    fast = fast_writes(pool, mlflow_app) | fast_reads(handlers._get_tracking_store(), mlflow_app)  # noqa: SLF001
    application = Application(
        mlflow_app,
        login,
        Audit(),
        version=VERSION,
        ready=Readiness({"database": database, "bucket": bucket_check(settings.backend)}),
        fast={route: outage.guard(before) for route, before in fast.items()},
    )
    serve(application, settings.host, settings.port, sts, watch, pool, outage)


def serve(app: App, host: str, port: int, *needs: AbstractAsyncContextManager[object]) -> None:
    """Serve any ASGI app as MLflow's is served, with what it needs open before and after."""
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
        runner.run(_serve(config, needs))


async def _serve(config: uvicorn.Config, needs: Iterable[AbstractAsyncContextManager[object]]) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    async with AsyncExitStack() as stack:
        for need in needs:
            await stack.enter_async_context(need)
        await uvicorn.Server(config).serve()
