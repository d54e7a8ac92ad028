"""Every route of the installed MLflow, walked in its routers, so that an upgrade cannot slip one in."""

import re
from collections.abc import Iterator
from typing import Any

from rehearsal.tests.isolation.entry import PREFIXES

PARAMETER = re.compile(r"<[^>]+>|\{[^}]+\}")
# What every route of Flask answers besides; HEAD and OPTIONS have tests of their own.
SILENT = {"HEAD", "OPTIONS"}
# What this server answers besides, by itself.
OWN = {"GET /ready"}


def installed_routes() -> dict[str, set[str]]:
    """Return the prefixes of each route, by a key like an entry's; those without prefix have an empty one."""
    # MLflow reads its environment when it is imported: nothing here depends on it.
    from mlflow.server import app as flask_app  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415

    routes: dict[str, set[str]] = {}
    flask = ((m, rule.rule) for rule in flask_app.url_map.iter_rules() for m in rule.methods or ())
    for method, path in (*flask, *_of_fastapi(app.routes)):
        if method in SILENT:
            continue
        prefix = next((p for p in PREFIXES if path.startswith(p)), "")
        key = f"{method} {PARAMETER.sub('*', path.removeprefix(prefix) if prefix else path)}"
        routes.setdefault(key, set()).add(prefix)
    return routes


def _of_fastapi(routes: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _of_fastapi(included.routes, before + route.include_context.prefix)
        elif getattr(route, "methods", None):
            yield from ((method, before + route.path) for method in route.methods)
        elif route.path:
            raise AssertionError(f"a kind of route that this walk does not know: {route!r}")
