"""How often a run says that its process lives, so that a dead one can be told from a quiet one."""

from mlflow_team import switches

SECONDS = 30.0
# Without so many of them a run is dead: a request may hang, and a machine stall.
MISSED = 4


def on() -> bool:
    """Tell whether runs say so."""
    return switches.on(switches.Piece.HEARTBEAT)
