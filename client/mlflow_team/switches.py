"""The switches: one variable for each piece that works by itself, one for all of them."""

import os
from enum import StrEnum

ALL = "MLFLOW_TEAM_AUTOMATIC"
OFF = ("0", "false", "no", "off")


class Piece(StrEnum):
    """What works without being called; `MLFLOW_TEAM_<NAME>=off` and `=on` switch it."""

    PROVENANCE = "PROVENANCE"
    DIFF = "DIFF"
    PACKAGES = "PACKAGES"
    CONTRACT = "CONTRACT"
    NOTIFY = "NOTIFY"
    ENDS = "ENDS"
    CONSOLE = "CONSOLE"
    SPOOL = "SPOOL"
    HEARTBEAT = "HEARTBEAT"

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return f"MLFLOW_TEAM_{self.value}"


# Off unless switched on.
ASKED_FOR = (Piece.CONSOLE,)

_suspended: set[Piece] = set()


def suspend(piece: Piece) -> None:
    """Switch a piece off in this process alone: its children inherit nothing."""
    _suspended.add(piece)


def on(piece: Piece) -> bool:
    """Tell whether a piece may work."""
    told, all_told = (os.environ.get(name, "").strip().lower() for name in (piece.variable, ALL))
    refused = (*OFF, "") if piece in ASKED_FOR else OFF
    return piece not in _suspended and told not in refused and all_told not in OFF
