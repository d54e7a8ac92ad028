"""What stands before MLflow's app: who asks, what it may ask for, and in which workspace it works."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from .asgi import App, Message, Receive, Scope, Send, answer
from .audit import Audit
from .budget import address_of
from .caller import CALLER, Caller, Level
from .login import Login, Request
from .readiness import Ready
from .refusal import Refusal, refuse
from .routes import Kind, Route, classify
from .workspaces import CHANGED_BY_TEAMS, HEADER, LIST, hidden, listing, pinned

Headers = list[tuple[bytes, bytes]]

HEALTH = "/health"
VERSION = "/version"
READY = "/ready"
LOOKING = ("GET", "HEAD")
HOST = re.compile(r"([a-z0-9.-]{1,253})(?::\d+)?", re.ASCII)
# The login, and what only the load balancer could know; MLflow reads none of them.
KEPT_BACK = re.compile(rb"authorization|forwarded|x-forwarded-.*|.*_.*|" + HEADER, re.DOTALL)
NO_ROUTE = Refusal(
    status=404,
    rule="no such route",
    message="This server's MLflow has no such route; compare with its /version: mlflow --version",
)
READER = Refusal(
    status=403,
    rule="reader",
    message="A reader changes nothing; log in with a writer's role: export AWS_PROFILE=<a writer's>",
)


class Application:
    """MLflow's ASGI app behind the login.

    `ready` answers for database and bucket; `fast` are routes, by name, that are answered before MLflow.
    """

    def __init__(
        self,
        mlflow_app: App,
        login: Login,
        audit: Audit,
        *,
        version: str,
        ready: Ready,
        fast: Mapping[str, App] | None = None,
    ) -> None:
        self._mlflow_app = mlflow_app
        self._fast = fast or {}
        self._login = login
        self._audit = audit
        self._version = version
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return
        if scope["method"] in LOOKING and scope["path"] == HEALTH:
            await answer(send, 200, b"OK")
        elif scope["method"] in LOOKING and scope["path"] == VERSION:
            await answer(send, 200, self._version.encode())
        elif scope["method"] in LOOKING and scope["path"] == READY:
            await self._ready(send)
        else:
            await self._authenticated(scope, receive, send)

    async def _authenticated(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        request = _request(headers, scope)
        caller, identity = await self._login.caller(request)
        if isinstance(caller, Refusal):
            self._audit.stranger(caller, identity, request.address)
            await refuse(send, caller)
            return
        route = classify(scope["method"], scope["path"])
        handed_on = _handed_on(caller, route, headers, scope["path"])
        if route is None or isinstance(handed_on, Refusal):
            refusal = handed_on if isinstance(handed_on, Refusal) else NO_ROUTE
            self._audit.called("refused", caller, identity, route and route.name, refusal.status)
            await refuse(send, refusal)
            return
        if route.name == LIST:
            send = listing(caller, send)
        audited = partial(self._audit.called, "write", caller, identity, route.name)
        before = CALLER.set(caller)
        try:
            await self._run({**scope, "headers": handed_on}, receive, send, route, audited)
        finally:
            CALLER.reset(before)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, route: Route, audited: Callable[[int], None]
    ) -> None:
        app = self._fast.get(route.name, self._mlflow_app)
        if route.kind is not Kind.WRITE:
            await app(scope, receive, send)
            return
        # What a client sees of an exception, or of nothing.
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            audited(status)


def _request(headers: Headers, scope: Scope) -> Request:
    def every(wanted: bytes) -> list[bytes]:
        return [value for name, value in headers if name == wanted]

    hosts = [HOST.fullmatch(value.decode("latin-1").lower()) for value in every(b"host")]
    return Request(
        authorization=[value.decode("latin-1") for value in every(b"authorization")],
        host=hosts[0][1] if len(hosts) == 1 and hosts[0] else "",
        address=address_of(every(b"x-forwarded-for"), scope["client"][0] if scope.get("client") else ""),
        browser=any(b"text/html" in value for value in every(b"accept")),
    )


def _handed_on(caller: Caller, route: Route | None, headers: Headers, path: str) -> Headers | Refusal:
    """Return the headers for MLflow, with one workspace at most, or why it gets none."""
    if route is None:
        return NO_ROUTE
    if refusal := _forbidden(caller, route, path):
        return refusal
    workspace = pinned(caller, headers, needed=route.kind not in {Kind.ASSET, Kind.WORKSPACES})
    if isinstance(workspace, Refusal):
        return workspace
    kept = [(name, value) for name, value in headers if not KEPT_BACK.fullmatch(name)]
    return kept if workspace is None else [*kept, (HEADER, workspace)]


def _forbidden(caller: Caller, route: Route, path: str) -> Refusal | None:
    if route.kind is Kind.SEALED:
        return Refusal(status=403, rule="sealed", message=route.reason)
    if route.kind is Kind.WORKSPACES:
        if not route.name.startswith("GET "):
            return CHANGED_BY_TEAMS
        return None if route.name == LIST else hidden(caller, path.rpartition("/")[2])
    if route.kind is Kind.WRITE and caller.level is Level.READER:
        return READER
    return None
