"""Runs a script as `python SCRIPT` would, `with` or `without` the client package: argument 1 says which."""

import importlib.metadata
import runpy
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution
from typing import Any

PACKAGE = "mlflow-team"


def hide(package: str) -> None:
    """Make an installed package look as if it were not, for those who look for plugins."""
    everything: Callable[..., Iterable[Distribution]] = importlib.metadata.distributions

    def others(**where: Any) -> Iterable[Distribution]:
        return (each for each in everything(**where) if each.metadata["Name"] != package)

    importlib.metadata.distributions = others  # entry_points() looks here


if __name__ == "__main__":
    _, how, script = sys.argv
    if how == "without":
        hide(PACKAGE)
    sys.orig_argv[1:] = sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
