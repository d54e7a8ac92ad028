"""What MLflow must find in its environment before it is imported: it reads most of it only then."""

from .database import URI
from .settings import Backend

CONNECT_SECONDS = 5


def mlflow_environment(backend: Backend) -> dict[str, str]:
    """Return the variables that MLflow's own command would set, and the switches of this stack."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": URI,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": backend.artifact_root,
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PGAPPNAME": "tracking-server",
        "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
    }
