import pytest

from origins import allowed_hosts, allowed_origins


def test_tls_names_the_domain_only() -> None:
    assert allowed_hosts("m.example.com") == ["m.example.com", "m.example.com:*"]
    assert allowed_origins("m.example.com") == [
        "https://m.example.com",
        "https://m.example.com:8443",
    ]


def test_origins_hold_no_pattern() -> None:
    """Flask-CORS would take `https://m.example.com:*` for https://m.example.com.evil.example too."""
    assert not any("*" in origin for origin in allowed_origins("m.example.com"))


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("m.example.com", True),
        ("m.example.com:443", True),
        ("m.example.com:8443", True),
        ("m.example.com.evil.example", False),
        ("evil-m.example.com", False),
        ("localhost", False),
        ("10.42.64.7:5000", False),
    ],
)
def test_mlflow_takes_the_hosts_as_meant(host: str, accepted: bool) -> None:  # noqa: FBT001
    from mlflow.server.security_utils import is_allowed_host_header  # noqa: PLC0415 - takes seconds

    assert is_allowed_host_header(allowed_hosts("m.example.com"), host) is accepted


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://m.example.com", True),
        ("https://m.example.com:8443", True),
        ("http://m.example.com", False),
        ("https://m.example.com.evil.example", False),
        ("https://m.example.com:8443.evil.example", False),
        ("null", False),
    ],
)
def test_mlflow_takes_the_origins_as_meant(origin: str, accepted: bool) -> None:  # noqa: FBT001
    from mlflow.server.security_utils import should_block_cors_request  # noqa: PLC0415 - takes seconds

    origins = allowed_origins("m.example.com")
    assert should_block_cors_request(origin, "POST", origins) is not accepted
