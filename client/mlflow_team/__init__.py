"""A team's MLflow: the login by IAM role, and what it takes to repeat a run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chat.notify import notify as notify
    from .comparison import compare as compare
    from .data import track_input as track_input
    from .data import track_output as track_output
    from .uploads import log_artifact_async as log_artifact_async

# Loaded when first used: MLflow imports this package for its plugins, in each process.
_PUBLIC = {
    "compare": ".comparison",
    "log_artifact_async": ".uploads",
    "notify": ".chat.notify",
    "track_input": ".data",
    "track_output": ".data",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
