"""Who may name the server, and from which pages: each Host header with each Origin header."""

import ipaddress
from urllib.parse import urlsplit

import pytest

from smoke_tests.browser import Browser
from smoke_tests.conftest import EXPERIMENT
from smoke_tests.stack import Stack

SEARCH = "ajax-api/2.0/mlflow/experiments/search"
TUNNEL = 8443  # infra/origins.py names this port besides the usual one
FOREIGN_HOST, FOREIGN_PAGE = "Invalid Host header", "Cross-origin request blocked"
# Hosts by what they are, and whether they mean this server.
HOSTS = {
    "domain": ("{domain}", True),
    "domain with port": ("{domain}:{tunnel}", True),
    "foreign": ("foreign.example", False),
    "look-alike": ("{domain}.foreign.example", False),
    "address": ("192.0.2.1", False),
    "private address": ("10.0.0.1", False),
}
# Origins by what they are, and whether a page from there may change anything.
ORIGINS = {
    "none": (None, True),
    "own": ("https://{domain}", True),
    "own with port": ("https://{domain}:{tunnel}", True),
    "foreign": ("https://foreign.example", False),
    "null": ("null", False),
    "look-alike": ("https://{domain}.foreign.example", False),
    "ending like ours": ("https://not-{domain}", False),
    "ours as a user": ("https://{domain}@foreign.example", False),
}


def _sent(pattern: str, stack: Stack) -> str:
    return pattern.format(domain=urlsplit(stack.tracking_uri).hostname, tunnel=TUNNEL)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("host", HOSTS)
def test_host_and_origin(host: str, origin: str, method: str, stack: Stack, client: Browser) -> None:
    pattern, our_host = HOSTS[host]
    headers = {"Host": _sent(pattern, stack)}
    page, our_page = ORIGINS[origin]
    if page:
        headers["Origin"] = _sent(page, stack)
    if method == "GET":
        answer = client.get(SEARCH, headers, max_results="1")
    else:
        answer = client.post(SEARCH, {"max_results": 1, "filter": f"name = '{EXPERIMENT}'"}, headers)
    if not our_host:
        assert (answer.status_code, FOREIGN_HOST in answer.text) == (403, True), answer.text
    elif method == "POST" and not our_page:
        assert (answer.status_code, FOREIGN_PAGE in answer.text) == (403, True), answer.text
    else:
        assert (answer.status_code, "experiments" in answer.json()) == (200, True), answer.text
    if not our_page:
        # A browser that is not told this shows a foreign page nothing of the answer.
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Original-Host", "Forwarded"])
def test_no_other_header_names_the_host(header: str, stack: Stack, client: Browser) -> None:
    domain = str(urlsplit(stack.tracking_uri).hostname)
    named = f"host={domain}" if header == "Forwarded" else domain
    answer = client.get(SEARCH, {"Host": "foreign.example", header: named}, max_results="1")
    assert (answer.status_code, FOREIGN_HOST in answer.text) == (403, True), answer.text


def test_our_own_name_is_no_address(stack: Stack) -> None:
    """Else the table above would try less than it says."""
    with pytest.raises(ValueError, match="not appear to be"):
        ipaddress.ip_address(str(urlsplit(stack.tracking_uri).hostname))
