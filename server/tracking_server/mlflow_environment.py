"""What MLflow must find in its environment before it is imported: it reads most of it only then."""

from .database import URI
from .settings import Backend

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true"}
CONNECT_SECONDS = 5
MIGRATION = "migration"
# Else a statement of a migration that was cut off holds its locks until it is through.
CLIENT_CHECK_SECONDS = 2
# For another task's preparation, which takes 100 s at most, or for a session that holds a table.
LOCK_SECONDS = 120


def mlflow_environment(backend: Backend) -> dict[str, str]:
    """Return the variables that MLflow's own command would set, and the switches of this stack."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": URI,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": backend.artifact_root,
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        **TELEMETRY_OFF,
        "PGAPPNAME": "tracking-server",
        "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
    }


def migration_environment() -> dict[str, str]:
    """Return the variables for a process that migrates the tables and serves nothing."""
    options = {
        "client_connection_check_interval": f"{CLIENT_CHECK_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
    }
    return {
        **TELEMETRY_OFF,
        "PGAPPNAME": MIGRATION,
        "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
        "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
