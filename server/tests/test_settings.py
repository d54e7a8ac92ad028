import re
from pathlib import Path
from typing import Any

import pytest

from server.tracking_server.errors import SettingsError
from server.tracking_server.settings import read_preparation, read_server
from server.tracking_server.variables import MENDING, workspace

PASSWORD = "pa55:@/%word"


@pytest.fixture
def server(tmp_path: Path) -> dict[str, str]:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    return {
        "AWS_REGION": "eu-west-1",
        "PGHOST": "db.abc.eu-west-1.rds.amazonaws.com",
        "PGPORT": "5432",
        "PGDATABASE": "mlflow",
        "PGUSER": "mlflow",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(bundle),
        "ARTIFACT_ROOT": "s3://artifacts-1234",
        "ACCESS_LIST": "/mlflow-tracking/dev/access",
        "SERVER_ID": "mlflow.example.com",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.example.com,mlflow.example.com:*",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.example.com",
        "MLFLOW_HOST": "0.0.0.0",  # noqa: S104
        "MLFLOW_PORT": "5000",
    }


@pytest.fixture
def preparation(server: dict[str, str]) -> dict[str, str]:
    of_the_server = ("MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "SERVER_ID")
    return {name: value for name, value in server.items() if name not in of_the_server} | {
        "DATABASE_MASTER_USERNAME": "mlflow_admin",
        "DATABASE_MASTER_PASSWORD": PASSWORD,
    }


def faults_of(read: Any, environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(environment)
    return str(error.value).splitlines()


def test_the_declared_environment_is_read(server: dict[str, str]) -> None:
    settings = read_server(server)
    assert (settings.host, settings.port) == ("0.0.0.0", 5000)  # noqa: S104
    assert settings.backend.port == 5432
    assert settings.backend.artifact_root == "s3://artifacts-1234"
    assert (settings.access_list, settings.server_id) == ("/mlflow-tracking/dev/access", "mlflow.example.com")


def test_the_preparation_is_read_and_hides_the_password(preparation: dict[str, str]) -> None:
    settings = read_preparation(preparation)
    assert settings.access_list == "/mlflow-tracking/dev/access"
    assert settings.master_password == PASSWORD
    assert PASSWORD not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_REGION", "eu-west-1; rm"),
        ("PGHOST", "/var/run/postgresql"),
        ("PGHOST", "a.example,b.example"),
        ("PGHOST", "DB.example"),
        ("PGPORT", "0"),
        ("PGPORT", "65536"),
        ("PGPORT", "5432,5433"),
        ("PGDATABASE", 'ml"flow'),
        ("PGDATABASE", "postgresql://elsewhere/mlflow"),
        ("PGUSER", "MLflow"),
        ("PGSSLMODE", "require"),
        ("PGSSLMODE", "verify-full "),
        ("PGSSLROOTCERT", "/nonexistent/ca.pem"),
        ("PGSSLROOTCERT", __file__ + "/.."),
        ("ARTIFACT_ROOT", "s3://artifacts/"),
        ("ARTIFACT_ROOT", "/mnt/artifacts"),
        ("ARTIFACT_ROOT", "s3://a/workspaces"),
        ("ARTIFACT_ROOT", "s3://artifacts/workspaces"),
        ("ACCESS_LIST", "mlflow-tracking/dev/access"),
        ("ACCESS_LIST", "/"),
        ("ACCESS_LIST", "/mlflow-tracking/dev/access/"),
        ("ACCESS_LIST", "/mlflow-tracking//access"),
        ("ACCESS_LIST", "/mlflow-tracking/*/access"),
        ("SERVER_ID", "MLflow.example.com"),
        ("SERVER_ID", "https://mlflow.example.com"),
        ("SERVER_ID", "mlflow.example.com:443"),
        ("SERVER_ID", "a.example,b.example"),
        ("SERVER_ID", "mlflow.example.com."),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "*"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example.com*"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "*.example.com"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example.com,"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "a.example, b.example"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "MLflow.example.com"),
        ("MLFLOW_SERVER_ALLOWED_HOSTS", "a.example,a.example"),
        ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "*"),
        ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "https://*.example.com"),
        ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "ftp://mlflow.example.com"),
        ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "https://mlflow.example.com/"),
        ("MLFLOW_HOST", "localhost"),
        ("MLFLOW_PORT", "five thousand"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_mends_it(
    server: dict[str, str], name: str, value: str
) -> None:
    (fault,) = faults_of(read_server, server | {name: value})
    assert fault.startswith(f"{name}: received {value!r}, allowed is ")
    assert "pulumi up" in fault


@pytest.mark.parametrize(
    "value", ["default", "api", "Speech", "v", "-vision", "vision-", "v" * 64, "", "vision/x", "vision\n"]
)
def test_a_workspace_that_mlflow_would_refuse_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="team names of 2 to 63"):
        workspace(value)


def test_every_missing_variable_is_named_at_once() -> None:
    of_preparation = {"DATABASE_MASTER_USERNAME", "DATABASE_MASTER_PASSWORD"}
    of_the_server = {
        "SERVER_ID",
        "MLFLOW_SERVER_ALLOWED_HOSTS",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
        "MLFLOW_HOST",
        "MLFLOW_PORT",
    }
    for read, foreign in ((read_server, of_preparation), (read_preparation, of_the_server)):
        faults = faults_of(read, {})
        assert {fault.partition(":")[0] for fault in faults} == MENDING.keys() - foreign
        assert all("received nothing" in fault for fault in faults)


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_BACKEND_STORE_URI",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE",
        "MLFLOW_WORKSPACE",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS",
        "_MLFLOW_SERVER_FILE_STORE",
        "PGPASSWORD",
        "PGOPTIONS",
        "PGHOSTADDR",
        "DATABASE_MASTER_PASSWORD",
    ],
)
def test_a_variable_that_would_undermine_the_server_is_refused_unread(
    server: dict[str, str], name: str
) -> None:
    (fault,) = faults_of(read_server, server | {name: PASSWORD})
    assert fault.startswith(f"{name}: is set, and not allowed here")
    assert PASSWORD not in fault


def test_no_fault_shows_a_secret(preparation: dict[str, str]) -> None:
    wrong = preparation | {"DATABASE_MASTER_USERNAME": "Secret Name", "PGPASSWORD": PASSWORD, "PGPORT": "x"}
    said = "\n".join(faults_of(read_preparation, wrong))
    assert not re.search(f"Secret Name|{re.escape(PASSWORD)}", said)
    assert "PGPORT" in said
