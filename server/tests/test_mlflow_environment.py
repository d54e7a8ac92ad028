import pytest

from server.tracking_server.mlflow_environment import mlflow_environment
from server.tracking_server.settings import Backend

ENVIRONMENT = mlflow_environment(
    Backend(
        region="eu-west-1",
        host="db.example",
        port=5432,
        database="mlflow",
        user="mlflow",
        artifact_root="s3://abc",
    )
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_ENABLE_WORKSPACES", "true"),  # a team's runs are its own
        ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),  # they would run code of clients on the server
        ("MLFLOW_ENABLE_AI_GATEWAY", "false"),  # it would hold the keys of model providers
        ("MLFLOW_DISABLE_TELEMETRY", "true"),  # nothing is told to MLflow's makers
        ("_MLFLOW_SERVER_ARTIFACT_ROOT", "s3://abc"),
        ("_MLFLOW_SERVER_FILE_STORE", "postgresql+psycopg2://"),  # no password to leak or go stale
    ],
)
def test_mlflow_is_switched_to_what_the_stack_promises(name: str, value: str) -> None:
    assert ENVIRONMENT[name] == value


def test_artifacts_are_not_proxied() -> None:
    assert not [name for name in ENVIRONMENT if "SERVE_ARTIFACTS" in name or "ARTIFACT_DESTINATION" in name]


def test_no_pool_is_set_here_since_one_engine_has_its_own() -> None:
    assert not [name for name in ENVIRONMENT if "SQLALCHEMYSTORE" in name]
