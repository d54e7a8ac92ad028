"""Sends what a browser with the MLflow UI open would send."""

from typing import Any

import requests

from smoke_tests.stack import Stack

REQUEST_SECONDS = 60.0


class Browser:
    """Requests to the tracking server in the team's workspace."""

    def __init__(self, stack: Stack) -> None:
        self._base = stack.tracking_uri
        self._headers = {"X-MLFLOW-WORKSPACE": stack.team}
        # Given to each request: requests lets REQUESTS_CA_BUNDLE win over a session's own setting.
        self._verify = stack.ca_bundle or True

    def get(
        self, path: str, /, headers: dict[str, str] | None = None, **parameters: str
    ) -> requests.Response:
        """GET a path with query parameters."""
        return self._request("GET", path, headers, params=parameters)

    def post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> requests.Response:
        """POST a JSON body."""
        return self._request("POST", path, headers, json=body)

    def _request(
        self, method: str, path: str, headers: dict[str, str] | None, **content: Any
    ) -> requests.Response:
        return requests.request(
            method,
            f"{self._base}/{path}",
            headers=self._headers | (headers or {}),
            verify=self._verify,
            timeout=REQUEST_SECONDS,
            **content,
        )
