"""A team's MLflow: the login by IAM role, and what it takes to repeat a run."""

from importlib import import_module
from typing import Any

# Loaded when first used: MLflow imports this package for its plugins, in each process.
_PUBLIC: dict[str, str] = {"compare": ".comparison"}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
