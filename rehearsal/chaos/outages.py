"""What happens to the rehearsed stack itself: its server and its database are killed and started anew."""

from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.processes import Process
from rehearsal.stack import RehearsedStack

SERVER = "tracking-server"


@dataclass(frozen=True)
class Outage:
    """One that strikes every client at once.

    Attributes:
        name: how the table calls it.
        kill: ends what it hits, with SIGKILL.
        restart: starts it anew and returns once it is healthy.
    """

    name: str
    kill: Callable[[RehearsedStack], None]
    restart: Callable[[RehearsedStack], None]


def _kill_server(stack: RehearsedStack) -> None:
    server = stack.task and stack.task.started[SERVER]
    if not isinstance(server, Process):
        raise TypeError(f"the server runs as {server!r}: only one in a plain process is killed")
    server.kill()


def _restart_server(stack: RehearsedStack) -> None:
    if stack.task is not None:
        stack.task.restart(SERVER)


OUTAGES = (
    Outage("server killed", _kill_server, _restart_server),
    Outage("database killed", lambda stack: stack.postgres.kill(), lambda stack: stack.postgres.restart()),
)
