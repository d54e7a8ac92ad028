"""MLflow's own app in this process, for tests: it reads part of its environment when it is first imported."""

import os
from typing import Any
from unittest.mock import patch

ENVIRONMENT = {
    "MLFLOW_ENABLE_WORKSPACES": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
}


def load() -> Any:
    """Return the ASGI app."""
    with patch.dict(os.environ, ENVIRONMENT):
        from mlflow.server.fastapi_app import app  # noqa: PLC0415

    return app
