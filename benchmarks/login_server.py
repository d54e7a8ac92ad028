"""Servers to compare, with the login or without: `python -m benchmarks.login_server login|without PORT`."""

import base64
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from server.tracking_server.caller import Caller, Level
from server.tracking_server.database import URI
from server.tracking_server.mlflow_environment import mlflow_environment
from server.tracking_server.settings import Backend
from server.tracking_server.token import DATE, Place, Token

TEAM = "vision"
HOST = "127.0.0.1"
PLACE = Place(server_id=HOST, region="eu-west-1", sts="https://sts.eu-west-1.amazonaws.com")
ARN = "arn:aws:sts::111122223333:assumed-role/vision-writer/ada"
ROOT = "s3://bench-login"
App = Callable[..., Any]
# As long as those of STS are.
SESSION_TOKEN = "A" * 1200


def token() -> str:
    """Return a token whose form is good; nobody here asks STS for its signature."""
    now = datetime.now(UTC).strftime(DATE)
    parameters = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"ASIA{'0' * 16}%2F{now[:8]}%2F{PLACE.region}%2Fsts%2Faws4_request",
        "X-Amz-Date": now,
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host%3Bx-mlflow-server-id",
        "X-Amz-Security-Token": SESSION_TOKEN,
        "X-Amz-Signature": "0" * 64,
    }
    url = f"{PLACE.sts}/?" + "&".join(f"{name}={value}" for name, value in parameters.items())
    return "mlflow-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


async def _answer(_: Token) -> str:
    return ARN


def main(kind: str, port: int, wrap: Callable[[App], App] = lambda app: app) -> None:
    """Serve MLflow's app, behind the login or not, on the Postgres that the environment names.

    Args:
        kind: "login" is as deployed, but for STS and the database's token; anything else is MLflow's app.
        port: on loopback.
        wrap: what stands before MLflow's app, behind ours.
    """
    backend = Backend(region=PLACE.region, host="", port=0, database="", user="", artifact_root=ROOT)
    os.environ.update(mlflow_environment(backend))
    # They read the environment when they are imported.
    from mlflow.server import app as flask_app  # noqa: PLC0415
    from mlflow.server import handlers  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415
    from mlflow.server.workspace_helpers import _get_workspace_store  # noqa: PLC0415
    from mlflow.version import VERSION  # noqa: PLC0415

    from server.tracking_server import engine, indexes, stores, tables  # noqa: PLC0415
    from server.tracking_server.application import Application  # noqa: PLC0415
    from server.tracking_server.assets import serve_assets  # noqa: PLC0415
    from server.tracking_server.audit import Audit  # noqa: PLC0415
    from server.tracking_server.database import begin  # noqa: PLC0415
    from server.tracking_server.fast_reads import fast_reads  # noqa: PLC0415
    from server.tracking_server.fast_writes import fast_writes  # noqa: PLC0415
    from server.tracking_server.login import Login  # noqa: PLC0415
    from server.tracking_server.outage import Outage  # noqa: PLC0415
    from server.tracking_server.readiness import Readiness, database_check  # noqa: PLC0415
    from server.tracking_server.serving import serve  # noqa: PLC0415
    from server.tracking_server.write_pool import WritePool  # noqa: PLC0415

    if kind == "login":
        stores.register(ROOT)
        serve_assets(flask_app)
        engine.share()
    handlers.initialize_backend_stores(URI, ROOT)
    tables.make_workspaces(_get_workspace_store(), (TEAM,), print)
    store: Any = handlers._get_tracking_store()  # noqa: SLF001
    if kind == "login":
        stores.keep_workspaces(_get_workspace_store())
        indexes.make(store.engine, print)
    mlflow_app = wrap(app)
    if kind != "login":
        serve(mlflow_app, HOST, port)
        return
    caller = Caller(name="ada", team=TEAM, level=Level.WRITER)
    login = Login(PLACE, _answer, lambda *_: caller, clock=time.time)
    pool = WritePool(lambda: begin(str))
    check = database_check(lambda: begin(str))
    outage = Outage(check)
    mlflow_app = outage.guard(mlflow_app)
    fast = fast_writes(pool, mlflow_app) | fast_reads(store, mlflow_app)
    application = Application(
        mlflow_app,
        login,
        Audit(),
        version=VERSION,
        ready=Readiness({"database": check}),
        fast={route: outage.guard(before) for route, before in fast.items()},
    )
    serve(application, HOST, port, pool, outage)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
