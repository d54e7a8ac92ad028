import pytest

from origins import allowed_hosts, allowed_origins


def test_tls_names_the_domain_only() -> None:
    assert allowed_hosts("m.example.com", plain_http=False) == ["m.example.com", "m.example.com:*"]
    assert allowed_origins("m.example.com", plain_http=False) == [
        "https://m.example.com",
        "https://m.example.com:8443",
    ]


def test_origins_hold_no_pattern() -> None:
    """Flask-CORS would take `https://m.example.com:*` for https://m.example.com.evil.example too."""
    for plain_http in (True, False):
        assert not any("*" in origin for origin in allowed_origins("m.example.com", plain_http=plain_http))


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

    assert is_allowed_host_header(allowed_hosts("m.example.com", plain_http=False), host) is accepted


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

    origins = allowed_origins("m.example.com", plain_http=False)
    assert should_block_cors_request(origin, "POST", origins) is not accepted


def test_plain_http_takes_a_tunnels_localhost_too() -> None:
    assert allowed_hosts("lb.example", plain_http=True) == [
        "lb.example",
        "lb.example:*",
        "localhost",
        "localhost:*",
    ]
    assert allowed_origins("lb.example", plain_http=True) == ["http://lb.example"]
