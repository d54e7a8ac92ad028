"""The off switches: one variable for each piece that works by itself, one for all of them."""

import os
from enum import StrEnum

ALL = "MLFLOW_TEAM_AUTOMATIC"
OFF = ("0", "false", "no", "off")


class Piece(StrEnum):
    """What works without being called; switched off by `MLFLOW_TEAM_<NAME>=off`."""

    PROVENANCE = "PROVENANCE"
    DIFF = "DIFF"
    PACKAGES = "PACKAGES"
    CONTRACT = "CONTRACT"
    NOTIFY = "NOTIFY"
    ENDS = "ENDS"
    SPOOL = "SPOOL"
    HEARTBEAT = "HEARTBEAT"

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return f"MLFLOW_TEAM_{self.value}"


_suspended: set[Piece] = set()


def suspend(piece: Piece) -> None:
    """Switch a piece off in this process alone: its children inherit nothing."""
    _suspended.add(piece)


def on(piece: Piece) -> bool:
    """Tell whether a piece may work."""
    return piece not in _suspended and all(
        os.environ.get(name, "").strip().lower() not in OFF for name in (ALL, piece.variable)
    )
