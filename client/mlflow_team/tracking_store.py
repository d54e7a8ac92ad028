"""Tells run_events when a run starts and ends: MLflow's own stores, which plugins may stand in for."""

import json
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow.entities import RunStatus
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds

from . import run_events, switches
from .switches import Piece

if TYPE_CHECKING:
    from mlflow.store.tracking.abstract_store import AbstractStore

    from .spool.spool import Spool

# Set in a server's processes, which find this plugin too when they share a client's environment.
IN_SERVER = "_MLFLOW_SERVER_FILE_STORE"


class Recorded:
    """What is added to a store, whichever: each call does what MLflow's does, and returns that."""

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        """Create a run, then tell that it has started."""
        run = super().create_run(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        run_events.started(run.info.run_id, run.data.tags)
        return run

    def update_run_info(self, run_id: str, run_status: Any, *args: Any, **kwargs: Any) -> Any:
        """Update a run, and tell before and after when this is its end."""
        status = RunStatus.to_string(run_status) if run_status is not None else ""
        ends = run_status is not None and RunStatus.is_terminated(run_status)
        if ends:
            status = run_events.truly(run_id, status)
            run_status = RunStatus.from_string(status)
            run_events.ending(run_id, status)
        elif status:
            run_events.resumed(run_id)
        info = super().update_run_info(run_id, run_status, *args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        if ends:
            run_events.ended(run_id, status)
        return info


class RecordedRestStore(Recorded, RestStore):
    """A tracking server's client."""

    _spool: "Spool | None" = None

    def _call_endpoint(
        self,
        api: Any,
        json_body: str | None = None,
        endpoint: str | None = None,
        retry_timeout_seconds: int | None = None,
        response_proto: Any = None,
    ) -> Any:
        """Let the spool answer, which asks the server or keeps what it does not take."""
        mlflows = super()._call_endpoint
        if response_proto is not None or not switches.on(Piece.SPOOL) or sys.platform == "win32":
            return mlflows(api, json_body, endpoint, retry_timeout_seconds, response_proto)
        if self._spool is None:
            from .spool import artifacts, spool  # noqa: PLC0415 - only for a server's clients

            self._spool = spool.Spool(self)
            artifacts.know(self._spool)

        def plain(body: dict[str, Any], where: str) -> Any:
            text = json.dumps(body) if json_body is not None else None
            return mlflows(api, text, where or endpoint, retry_timeout_seconds)

        return self._spool.call(api.DESCRIPTOR.name, json.loads(json_body or "{}"), endpoint, plain)


def rest(store_uri: str, artifact_uri: str | None = None) -> RecordedRestStore:  # noqa: ARG001 - MLflow's call
    """Return what MLflow uses for http and https."""
    return RecordedRestStore(partial(get_default_host_creds, store_uri))


def sqlite(store_uri: str, artifact_uri: str | None = None) -> "AbstractStore":
    """Return what MLflow uses for a database of one's own."""
    from mlflow.tracking._tracking_service import utils  # noqa: PLC0415 - it is loading this module

    store = utils._get_sqlalchemy_store(store_uri, artifact_uri)  # noqa: SLF001 - it chooses class and root
    if IN_SERVER not in os.environ:
        # Its class is chosen by MLflow, and made with what MLflow alone knows.
        store.__class__ = type("RecordedSqlStore", (Recorded, type(store)), {})  # pyright: ignore[reportAttributeAccessIssue]
    return store
