"""Logs in to the rehearsed stack by hand, without the client package: what the server is told is in sight."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from rehearsal.emulator import Emulator
from rehearsal.stack import RehearsedStack
from server.tests.tokens import presigned

TOKEN_SECONDS = 900
REQUEST_SECONDS = 60.0


def token(emulator: Emulator, keys: Mapping[str, str], server_id: str, seconds: int = TOKEN_SECONDS) -> str:
    """Return what follows `Bearer` for the session with these keys."""
    return presigned(emulator.client("sts", **keys), server_id, seconds)


class Login(AuthBase):
    """Sends a new token in good time, as the client does."""

    def __init__(
        self, stack: RehearsedStack, keys: Mapping[str, str], *, seconds: int = TOKEN_SECONDS
    ) -> None:
        self._stack = stack
        self._keys = keys
        self._seconds = seconds
        self._renew_at = 0.0
        self.token = ""

    def forget(self) -> None:
        """Sign a new token for the next request."""
        self._renew_at = 0.0

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if time.monotonic() > self._renew_at:
            self._renew_at = time.monotonic() + self._seconds / 2
            host = str(urlsplit(self._stack.tracking_uri).hostname)
            self.token = token(self._stack.emulator, self._keys, host, self._seconds)
        r.headers["Authorization"] = f"Bearer {self.token}"
        return r


class Api:
    """The tracking API as the holder of a session's keys calls it."""

    def __init__(self, stack: RehearsedStack, keys: Mapping[str, str]) -> None:
        self._url = f"{stack.tracking_uri}/api"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(stack.emulator.ca_bundle)
        self.login = self._session.auth = Login(stack, keys)

    def get(self, call: str, headers: Mapping[str, str] | None = None, **query: Any) -> requests.Response:
        return self._session.get(
            f"{self._url}/{call}", headers=headers, params=query, timeout=REQUEST_SECONDS
        )

    def post(self, call: str, headers: Mapping[str, str] | None = None, **body: Any) -> requests.Response:
        return self._session.post(f"{self._url}/{call}", headers=headers, json=body, timeout=REQUEST_SECONDS)

    def bare(self, call: str, authorization: str) -> requests.Response:
        """GET with these words in place of the login."""
        with requests.Session() as nobody:
            nobody.trust_env = False
            return nobody.get(
                f"{self._url}/{call}",
                headers={"Authorization": authorization},
                verify=self._session.verify,
                timeout=REQUEST_SECONDS,
            )

    def status(self) -> int:
        """Return what a question that every level may ask answers with."""
        return self.get("2.0/mlflow/experiments/search", max_results="1").status_code
