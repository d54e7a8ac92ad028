from pathlib import Path

import pytest
import trustme

from mlflow_team.ui_settings import read

ENVIRONMENT = {
    "MLFLOW_TRACKING_URI": "https://mlflow.example.com:8443/",
    "MLFLOW_TEAM_STS_REGION": "eu-central-1",
    "MLFLOW_WORKSPACE": "vision",
}


def test_environment_of_onboarding_is_enough() -> None:
    settings, faults = read(ENVIRONMENT)
    assert faults == []
    assert settings
    assert settings.uri == "https://mlflow.example.com:8443"
    assert settings.workspace == "vision"
    assert settings.trust.check_hostname
    assert len(settings.trust.get_ca_certs()) > 50


@pytest.mark.parametrize(
    "variable", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
)
def test_only_the_given_authority_is_trusted(tmp_path: Path, variable: str) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    settings, faults = read(ENVIRONMENT | {variable: str(tmp_path / "ca.pem")})
    assert faults == []
    assert settings
    assert len(settings.trust.get_ca_certs()) == 1


def test_every_fault_is_told_at_once() -> None:
    settings, faults = read(
        {"MLFLOW_TRACKING_URI": "http://mlflow.example.com", "MLFLOW_TRACKING_SERVER_CERT_PATH": "/nowhere"}
    )
    assert settings is None
    named = [
        "everybody on the way",
        "MLFLOW_TEAM_STS_REGION is ''",
        "MLFLOW_TRACKING_SERVER_CERT_PATH is '/nowhere'",
    ]
    assert [name for name, fault in zip(named, faults, strict=True) if name in fault] == named
