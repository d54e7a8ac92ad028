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

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return f"MLFLOW_TEAM_{self.value}"


# Off unless switched on.
ASKED_FOR = (Piece.CONSOLE,)


def on(piece: Piece) -> bool:
    """Tell whether a piece may work."""
    told, all_told = (os.environ.get(name, "").strip().lower() for name in (piece.variable, ALL))
    return told not in ((*OFF, "") if piece in ASKED_FOR else OFF) and all_told not in OFF
