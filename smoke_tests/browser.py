"""Sends plain HTTP requests: as a page of the UI would, as a client would, or as nobody."""

from collections.abc import Callable, Mapping
from typing import Any

import requests

REQUEST_SECONDS = 60.0

# What MLflow hands to requests: signs a request with the caller's token.
Login = Callable[[requests.PreparedRequest], requests.PreparedRequest]


class Browser:
    """Requests to one address."""

    def __init__(
        self,
        address: str,
        *,
        workspace: str | None = None,
        login: Login | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """Send nothing yet.

        Args:
            address: such as `https://mlflow.example.com`, without a path.
            workspace: what the UI's page says in a header.
            login: adds the token; None sends none.
            ca_bundle: PEM file the server is verified with; None for the usual ones.
        """
        self.address = address
        self._headers = {"X-MLFLOW-WORKSPACE": workspace} if workspace else {}
        self._login = login or _nothing
        # Given to each request: requests lets REQUESTS_CA_BUNDLE win over a session's own setting.
        self._verify = ca_bundle or True

    def get(
        self, path: str, /, headers: Mapping[str, str] | None = None, **parameters: str
    ) -> requests.Response:
        """GET a path with query parameters."""
        return self.send("GET", path, headers, params=parameters)

    def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """POST a JSON body."""
        return self.send("POST", path, headers, json=body)

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **content: Any
    ) -> requests.Response:
        """Send any request; redirects are not followed."""
        return requests.request(
            method,
            f"{self.address}/{path}",
            headers={**self._headers, **(headers or {})},
            auth=self._login,
            verify=self._verify,
            timeout=REQUEST_SECONDS,
            allow_redirects=False,
            **content,
        )


def _nothing(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Also keeps requests from looking for a password in ~/.netrc."""
    return request
