import pytest

from mlflow_team.login_error import LoginError
from mlflow_team.tracking_server import TrackingServer


@pytest.mark.parametrize(
    ("uri", "host", "origin"),
    [
        ("https://mlflow.example.com", "mlflow.example.com", "https://mlflow.example.com"),
        ("https://MLflow.Example.com:443/", "mlflow.example.com", "https://mlflow.example.com"),
        ("https://mlflow.example.com:8443/x?y", "mlflow.example.com", "https://mlflow.example.com:8443"),
        ("https://user:pw@mlflow.example.com", "mlflow.example.com", "https://mlflow.example.com"),
        ("https://mlflöw.example.com", "xn--mlflw-mua.example.com", "https://xn--mlflw-mua.example.com"),
        ("http://localhost:5000", "localhost", "http://localhost:5000"),
        ("http://[::1]:5000", "::1", "http://[::1]:5000"),
    ],
)
def test_host_is_what_the_request_goes_to(uri: str, host: str, origin: str) -> None:
    server = TrackingServer.of(uri)
    assert (server.host, server.origin) == (host, origin)
    server.check()


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///mlflow.db",
        "mlflow.example.com",
        "/var/mlruns",
        "https://",
        "https://a:b:c",
        "http+unix://x",
    ],
)
def test_what_is_no_servers_address_is_refused(uri: str) -> None:
    with pytest.raises(LoginError, match="not the address of a server: export MLFLOW_TRACKING_URI=https://"):
        TrackingServer.of(uri)


def test_databases_password_is_not_shown() -> None:
    with pytest.raises(LoginError) as refusal:
        TrackingServer.of("postgresql://mlflow:hunter2@db/mlflow")
    assert "hunter2" not in str(refusal.value)


def test_who_loaded_nothing_is_told_to_load() -> None:
    with pytest.raises(LoginError, match=r"MLFLOW_TRACKING_URI is ''.*: load what onboarding wrote: set -a;"):
        TrackingServer.of("")


@pytest.mark.parametrize(
    ("uri", "mend"),
    [
        ("http://mlflow.example.com", "https://mlflow.example.com"),
        ("http://mlflow.example.com:8443/", "https://mlflow.example.com:8443"),
    ],
)
def test_the_mended_address_keeps_a_tunnels_port(uri: str, mend: str) -> None:
    with pytest.raises(LoginError) as refusal:
        TrackingServer.of(uri).check()
    assert str(refusal.value).endswith(f": export MLFLOW_TRACKING_URI={mend}")


@pytest.mark.parametrize(
    "uri",
    [
        "http://mlflow.example.com",
        "http://10.0.0.1:5000",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@mlflow.example.com",
        "http://0.0.0.0:5000",
        "http://[::ffff:127.0.0.1]:5000",
        "http://my.localhost",
    ],
)
def test_login_leaves_this_machine_only_over_tls(uri: str) -> None:
    with pytest.raises(
        LoginError, match="everybody on the way could read it: export MLFLOW_TRACKING_URI=https"
    ):
        TrackingServer.of(uri).check()


@pytest.mark.parametrize(
    "uri", ["http://localhost:5000", "http://127.0.0.1:5000", "http://127.9.9.9", "http://[::1]"]
)
def test_loopback_needs_no_tls(uri: str) -> None:
    TrackingServer.of(uri).check()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_proxy_does_not_see_what_was_meant_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://proxy.example.com:3128")
    server = TrackingServer.of("http://127.0.0.1:5000")
    with pytest.raises(LoginError, match=r"a proxy would carry the login .*: export NO_PROXY=127\.0\.0\.1"):
        server.check()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.check()


def test_proxy_may_carry_what_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    TrackingServer.of("https://mlflow.example.com").check()


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_server_that_nobody_vouches_for_gets_no_login(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", value)
    with pytest.raises(LoginError, match="unset MLFLOW_TRACKING_INSECURE_TLS"):
        TrackingServer.of("https://mlflow.example.com").check()
