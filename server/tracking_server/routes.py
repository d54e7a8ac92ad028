"""Tells which of MLflow's routes a request would reach, by MLflow's own matching, and what that route is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from .route_lists import ASSET, READ, WORKSPACES, WRITE
from .sealed_routes import SEALED, UNKNOWN, UNPINNED

# OPTIONS is not among them: MLflow answers it to everybody by a list of methods, and no client of ours asks.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# For a path with this end MLflow resolves no workspace, whatever route it is.
WITHOUT_WORKSPACE = "/mlflow/server-info"
# More than all routes, and ids of the busiest minutes; longer paths are matched anew each time.
REMEMBERED = 4096
LONGEST_REMEMBERED = 512


class Kind(StrEnum):
    """What a route is to a caller."""

    ASSET = "asset"  # page, scripts, server-info: nothing of a workspace
    READ = "read"
    WRITE = "write"
    WORKSPACES = "workspaces"
    SEALED = "sealed"


@dataclass(frozen=True, kw_only=True)
class Route:
    """One of MLflow's routes.

    Attributes:
        name: such as "POST /mlflow/runs/create".
        reason: why it is sealed.
    """

    name: str
    kind: Kind
    reason: str = ""


def classify(method: str, path: str) -> Route | None:
    """Return the route that MLflow would serve for a decoded path, or None when it would serve none."""
    if method not in METHODS:
        return None
    return (_classify if len(path) <= LONGEST_REMEMBERED else _classify.__wrapped__)(method, path)


def known(name: str) -> Route:
    """Return what the lists say of a name; a name in none is sealed."""
    for kind, names in ((Kind.ASSET, ASSET), (Kind.WORKSPACES, WORKSPACES), (Kind.READ, READ)):
        if name in names:
            return Route(name=name, kind=kind)
    if name in WRITE:
        return Route(name=name, kind=Kind.WRITE)
    return Route(name=name, kind=Kind.SEALED, reason=SEALED.get(name, UNKNOWN))


def mlflow_routes() -> Iterator[str]:
    """Name every route of the installed MLflow."""
    from fastapi.routing import iter_route_contexts  # noqa: PLC0415
    from mlflow.server import app as flask_app  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    for context in iter_route_contexts(app.routes):
        if not _is_flask(context.route):
            for method in context.methods or METHODS:
                yield _name(method, str(context.path))
    for rule in flask_app.url_map.iter_rules():
        for method in (rule.methods or set(METHODS)) - {"HEAD", "OPTIONS"}:
            yield _name(method, rule.rule)


@lru_cache(maxsize=REMEMBERED)
def _classify(method: str, path: str) -> Route | None:
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    name = _match(app, method, path)
    if name is None:
        return None
    route = known(name)
    if path.rstrip("/").endswith(WITHOUT_WORKSPACE) and route.kind is not Kind.ASSET:
        return Route(name=name, kind=Kind.SEALED, reason=UNPINNED)
    return route


def _match(app: Any, method: str, path: str) -> str | None:
    """Go as Starlette's router goes: the first route that matches in full; a Mount is Flask's."""
    from fastapi.routing import iter_route_contexts  # noqa: PLC0415
    from starlette.routing import Match  # noqa: PLC0415

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    for route in app.routes:
        if route.matches(dict(scope))[0] is not Match.FULL:
            continue
        if _is_flask(route):
            return _match_flask(method, path)
        for context in iter_route_contexts([route]):
            if context.matches(dict(scope))[0] is Match.FULL:
                return _name(method, str(context.path))
        return UNKNOWN
    return None


def _is_flask(route: Any) -> bool:
    """Tell whether everything that no router before took goes here."""
    from starlette.routing import Mount  # noqa: PLC0415

    return isinstance(route, Mount) and not route.path


def _match_flask(method: str, path: str) -> str | None:
    from mlflow.server import app  # noqa: PLC0415
    from werkzeug.exceptions import HTTPException  # noqa: PLC0415

    try:
        # As Flask binds it to a request, when neither SERVER_NAME nor subdomains are set.
        rule, _ = app.url_map.bind("localhost").match(path, method, return_rule=True)
    except HTTPException:  # no such path, not by this method, or a redirect to another path
        return None
    return _name(method, rule.rule)


def _name(method: str, rule: str) -> str:
    """Write Flask's `<path:x>` and FastAPI's `{x:path}` the same way, and leave the prefix out."""
    path = re.sub(r"<(?:\w+:)?(\w+)>|\{(\w+)(?::\w+)?\}", lambda found: f"{{{found[1] or found[2]}}}", rule)
    found = re.fullmatch(r"/(?:ajax-)?api/(\d\.\d)(.*)", path)
    method = "GET" if method == "HEAD" else method
    if not found:
        return f"{method} {path}"
    version, rest = found.groups()
    # The two are different requests, and `/api/2.0mlflow/…` is a slip of MLflow's.
    keep = f"{method} {rest}" == "POST /mlflow/traces" or not rest.startswith("/")
    return f"{method} /{version}{rest}" if keep else f"{method} {rest}"
