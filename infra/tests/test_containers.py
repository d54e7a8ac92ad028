from typing import Any

import botocore.session
import botocore.validate
import pytest

from containers import container_definitions, drill_definition

SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:master"


@pytest.fixture
def definitions() -> list[dict[str, Any]]:
    return container_definitions(
        image="registry/server:1",
        region="eu-west-1",
        log_group="server-log",
        bucket="store",
        database_host="database.example",
        database_port=5433,
        database="mlflow",
        database_user="mlflow",
        master_secret_arn=SECRET,
        access_list="/mlflow-tracking/prod/access",
        server_id="mlflow.example.com",
        hosts="mlflow.example.com",
        origins="https://mlflow.example.com",
    )


@pytest.fixture
def drill() -> dict[str, Any]:
    (container,) = drill_definition(
        image="registry/server:1",
        region="eu-west-1",
        log_group="drill-log",
        bucket="store",
        database_host="database.example",
        database_port=5433,
        database="mlflow",
        reading_user="mlflow_reader",
        restored_user="mlflow",
        access_list="/mlflow-tracking/prod/restore-drill",
    )
    return container


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["environment"]}


SHARED = {
    "AWS_REGION": "eu-west-1",
    "PGHOST": "database.example",
    "PGPORT": "5433",
    "PGDATABASE": "mlflow",
    "PGUSER": "mlflow",
    "PGSSLMODE": "verify-full",
    "ARTIFACT_ROOT": "s3://store",
    "ACCESS_LIST": "/mlflow-tracking/prod/access",
}


def test_prepare_gets_the_database_the_access_list_and_the_master_by_reference(
    definitions: list[dict[str, Any]],
) -> None:
    prepare, _ = definitions
    assert prepare["command"] == ["python", "-m", "tracking_server.prepare"]
    assert prepare["essential"] is False
    assert environment(prepare) == SHARED
    assert prepare["secrets"] == [
        {"name": "DATABASE_MASTER_USERNAME", "valueFrom": f"{SECRET}:username::"},
        {"name": "DATABASE_MASTER_PASSWORD", "valueFrom": f"{SECRET}:password::"},
    ]


def test_server_waits_for_prepare_and_never_sees_the_master(definitions: list[dict[str, Any]]) -> None:
    _, server = definitions
    assert server["command"] == ["python", "-m", "tracking_server"]
    assert server["dependsOn"] == [{"containerName": "prepare", "condition": "SUCCESS"}]
    assert "secrets" not in server
    assert environment(server) == {
        **SHARED,
        "SERVER_ID": "mlflow.example.com",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.example.com",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.example.com",
    }


def test_the_drill_enters_the_live_database_as_its_reader_and_has_a_name_of_its_own(
    drill: dict[str, Any],
) -> None:
    assert drill["command"] == ["python", "-m", "tracking_server.bound"]
    assert "secrets" not in drill
    assert environment(drill) == {
        **SHARED,
        "PGUSER": "mlflow_reader",
        "RESTORED_USER": "mlflow",
        "ACCESS_LIST": "/mlflow-tracking/prod/restore-drill",
        "SERVER_ID": "restore-drill",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "restore-drill",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://restore-drill",
    }


def test_containers_have_no_root_no_capability_and_one_writable_folder(
    definitions: list[dict[str, Any]], drill: dict[str, Any]
) -> None:
    for container in [*definitions, drill]:
        assert container["user"] == "10001:10001"
        assert container["readonlyRootFilesystem"] is True
        assert container["linuxParameters"] == {"capabilities": {"add": [], "drop": ["ALL"]}}
        assert not container.get("privileged", False)
        assert [mount["containerPath"] for mount in container["mountPoints"]] == ["/tmp"]  # noqa: S108 - the only place


def test_fargate_limits_are_kept(definitions: list[dict[str, Any]]) -> None:
    prepare, server = definitions
    assert prepare["startTimeout"] <= 120
    assert server["stopTimeout"] <= 120
    assert server["healthCheck"]["startPeriod"] <= 300


def test_server_may_take_as_long_to_start_as_prepare(definitions: list[dict[str, Any]]) -> None:
    prepare, server = definitions
    assert server["healthCheck"]["startPeriod"] >= prepare["startTimeout"]


def test_ecs_takes_the_definitions(definitions: list[dict[str, Any]], drill: dict[str, Any]) -> None:
    ecs = botocore.session.get_session().get_service_model("ecs")
    shape = ecs.operation_model("RegisterTaskDefinition").input_shape
    report = botocore.validate.ParamValidator().validate(
        {"family": "server", "containerDefinitions": [*definitions, drill]}, shape
    )
    assert not report.has_errors(), report.generate_report()
