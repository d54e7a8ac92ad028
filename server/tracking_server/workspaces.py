"""What a caller sees of MLflow's workspaces: its own, an admin every team's, nobody `default`."""

import json
from collections.abc import Iterable

from .asgi import Message, Send
from .caller import Caller, Level
from .refusal import Refusal
from .variables import workspace

DEFAULT = "default"
HEADER = b"x-mlflow-workspace"
LIST = "GET /mlflow/workspaces"
OK = 200
CHANGED_BY_TEAMS = Refusal(
    status=403,
    rule="workspaces are teams",
    message="Workspaces are the stack's teams: change `teams`, then: pulumi up",
)


def pinned(caller: Caller, headers: Iterable[tuple[bytes, bytes]], *, needed: bool) -> bytes | Refusal | None:
    """Return the workspace that a request works in; None when it needs none and names none.

    The answer is the same for a workspace that exists and one that does not.
    """
    named = {value for name, value in headers if name == HEADER}
    if caller.team is not None:
        own = caller.team.encode()
        return own if named <= {own} else _another(caller.team)
    if not named and not needed:
        return None
    (name,) = named if len(named) == 1 else (b"",)
    if not _is_name(name):
        return Refusal(
            status=403,
            rule="no team named",
            message="An admin's request names the team it works in, and never the workspace `default`: "
            "export MLFLOW_WORKSPACE=<team>",
        )
    return name


def _is_name(value: bytes) -> bool:
    """Tell whether it can be a team's name: MLflow strips what it gets, and takes nothing for `default`."""
    try:
        workspace(value.decode("latin-1"))
    except ValueError:
        return False
    return True


def hidden(caller: Caller, name: str) -> Refusal | None:
    """Return how MLflow answers for a workspace that is not there, when this caller must not see this one."""
    if _sees(caller, name):
        return None
    return Refusal(status=404, rule="another workspace", message=f"Workspace '{name}' not found")


def _sees(caller: Caller, name: str) -> bool:
    return name != DEFAULT if caller.level is Level.ADMIN else name == caller.team


def _another(own: str) -> Refusal:
    return Refusal(
        status=403,
        rule="another workspace",
        message=f"This login is team {own}'s, and the request names another: unset MLFLOW_WORKSPACE",
    )


def listing(caller: Caller, send: Send) -> Send:
    """Make a `send` that leaves out of MLflow's list what the caller must not see."""
    start: Message = {}
    body = b""

    async def collect(message: Message) -> None:
        nonlocal body
        if message["type"] == "http.response.start":
            start.update(message)
            return
        body += message.get("body", b"")
        if message.get("more_body"):
            return
        shown = _filtered(caller, body) if start["status"] == OK and body else body
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        length = (b"content-length", str(len(shown)).encode())
        await send({**start, "headers": [*kept, length]})
        await send({"type": "http.response.body", "body": shown})

    return collect


def _filtered(caller: Caller, body: bytes) -> bytes:
    listed = json.loads(body).get("workspaces", [])
    return json.dumps({"workspaces": [one for one in listed if _sees(caller, one["name"])]}).encode()
