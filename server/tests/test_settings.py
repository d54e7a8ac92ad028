import re
from pathlib import Path
from typing import Any

import pytest

from server.tracking_server.errors import SettingsError
from server.tracking_server.settings import (
    read_comparison,
    read_live,
    read_migration,
    read_preparation,
    read_server,
)
from server.tracking_server.variables import ADOPTING_TEAM, MENDING, workspace

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


@pytest.fixture
def comparison(server: dict[str, str]) -> dict[str, str]:
    return server | {
        "RESTORED_HOST": "copy.abc.eu-west-1.rds.amazonaws.com",
        "RESTORED_PORT": "5433",
        "RESTORED_USER": "mlflow",
        "RESTORED_TO": "2026-11-23T12:00:00+00:00",
        "BOUND": "123456",
        "SAMPLES": "20",
        "PGUSER": "mlflow_reader",
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


def test_the_comparison_enters_the_live_database_as_one_user_and_the_copy_as_another(
    comparison: dict[str, str],
) -> None:
    settings = read_comparison(comparison)
    assert (settings.live.host, settings.live.user) == ("db.abc.eu-west-1.rds.amazonaws.com", "mlflow_reader")
    assert (settings.restored.host, settings.restored.port) == ("copy.abc.eu-west-1.rds.amazonaws.com", 5433)
    assert (settings.restored.user, settings.restored.database) == ("mlflow", "mlflow")
    assert (settings.bound, settings.samples, settings.port) == (123456, 20, 5000)
    assert settings.restored_to.isoformat() == "2026-11-23T12:00:00+00:00"
    assert read_live(comparison) == settings.live


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RESTORED_HOST", "/var/run/postgresql"),
        ("RESTORED_PORT", "0"),
        ("RESTORED_USER", "mlflow; DROP"),
        ("RESTORED_TO", "yesterday"),
        ("RESTORED_TO", "2026-11-23T12:00:00"),
        ("BOUND", "-1"),
        ("BOUND", "1e9"),
        ("SAMPLES", "all"),
    ],
)
def test_what_the_drill_must_not_say_is_refused(comparison: dict[str, str], name: str, value: str) -> None:
    (fault,) = faults_of(read_comparison, comparison | {name: value})
    assert fault.startswith(f"{name}: received {value!r}, allowed is ")


@pytest.mark.parametrize("read", [read_comparison, read_live])
def test_the_drill_never_sees_the_master(comparison: dict[str, str], read: Any) -> None:
    (fault,) = faults_of(read, comparison | {"DATABASE_MASTER_PASSWORD": PASSWORD})
    assert fault.startswith("DATABASE_MASTER_PASSWORD: is set, and not allowed here")


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


def test_the_migration_knows_the_database_alone_and_at_most_a_team(server: dict[str, str]) -> None:
    of_the_database = {name: value for name, value in server.items() if name.startswith(("PG", "AWS_"))}
    settings = read_migration(of_the_database)
    assert (settings.database.user, settings.adopting_team) == ("mlflow", None)
    assert read_migration(of_the_database | {ADOPTING_TEAM: "vision"}).adopting_team == "vision"
    (fault,) = faults_of(read_migration, of_the_database | {"DATABASE_MASTER_PASSWORD": PASSWORD})
    assert fault.startswith("DATABASE_MASTER_PASSWORD: is set, and not allowed here")


def test_every_missing_variable_is_named_at_once() -> None:
    of_preparation = {"DATABASE_MASTER_USERNAME", "DATABASE_MASTER_PASSWORD"}
    of_the_drill = {"RESTORED_HOST", "RESTORED_PORT", "RESTORED_USER", "RESTORED_TO", "BOUND", "SAMPLES"}
    of_any_server = {"SERVER_ID", "MLFLOW_PORT"}
    of_the_server = {"MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "MLFLOW_HOST"}
    for read, foreign in (
        (read_server, of_preparation | of_the_drill),
        (read_preparation, of_any_server | of_the_server | of_the_drill),
        # Its server reads the rest.
        (read_comparison, of_preparation | of_the_server | {"ACCESS_LIST"}),
        (
            read_migration,
            of_preparation | of_the_drill | of_any_server | of_the_server | {"ACCESS_LIST", "ARTIFACT_ROOT"},
        ),
    ):
        faults = faults_of(read, {})
        assert {fault.partition(":")[0] for fault in faults} == MENDING.keys() - foreign - {ADOPTING_TEAM}
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
