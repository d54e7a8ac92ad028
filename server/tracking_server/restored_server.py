"""The tracking server itself, started on a restored database, and asked as an admin would ask it."""

import base64
import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

import boto3
import requests

from .errors import StartError
from .settings import Backend, ComparisonSettings
from .token import PREFIX, SERVER_ID_HEADER
from .workspaces import HEADER

LOOPBACK = "127.0.0.1"
START_SECONDS = 300
STOP_SECONDS = 60
POLL_SECONDS = 0.5
ANSWER_SECONDS = 300
TOKEN_SECONDS = 900
RENEW_SECONDS = 600
CHUNK_BYTES = 1 << 20
OK = 200
# What only the comparison is told.
NOT_THE_SERVERS = ("RESTORED_HOST", "RESTORED_PORT", "RESTORED_USER", "RESTORED_TO", "BOUND", "SAMPLES")


class ServerError(StartError):
    """The server does not start on the restored database, or does not answer."""


class RestoredServer:
    """Runs the server while the context is open, on loopback; its logins are verified as always.

    Who may log in is in an access list of its own, which names the role of this task and nobody else.
    """

    def __init__(self, settings: ComparisonSettings) -> None:
        self._settings = settings
        self._address = f"http://{LOOPBACK}:{settings.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        self._signed_at = -float(RENEW_SECONDS)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tracking_server"], env=_environment(self._settings.restored)
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self._process.kill()
            self._process.wait()

    def wait(self, say: Callable[[str], None]) -> None:
        """Wait until it answers.

        Raises:
            ServerError: it ended, or did not answer in time.
        """
        say("starting the server on the restored database")
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(requests.RequestException):
                if self._session.get(f"{self._address}/health", timeout=POLL_SECONDS * 10).status_code == OK:
                    return
            if self._process is not None and (code := self._process.poll()) is not None:
                raise ServerError(f"the server ended with exit code {code} on the restored database")
            if time.monotonic() > deadline:
                raise ServerError(f"the server did not answer within {START_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def ask(self, path: str, workspace: str, **query: Any) -> dict[str, Any]:
        """Return what a route of MLflow's API answers in a workspace.

        Raises:
            ServerError: anything but 200.
        """
        return dict(self._get(f"/api/2.0/mlflow/{path}", workspace, query).json())

    def sha256(self, workspace: str, run_id: str, path: str) -> str:
        """Return the SHA-256 of an artifact as the server shows it.

        Raises:
            ServerError: it does not show it.
        """
        answer = self._get("/get-artifact", workspace, {"run_uuid": run_id, "path": path}, stream=True)
        digest = hashlib.sha256()
        for chunk in answer.iter_content(CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()

    def _get(
        self, path: str, workspace: str, query: dict[str, Any], *, stream: bool = False
    ) -> requests.Response:
        headers = {
            "Host": self._settings.server_id,
            "Authorization": self._authorization(),
            HEADER.decode(): workspace,
        }
        try:
            answer = self._session.get(
                f"{self._address}{path}", headers=headers, params=query, timeout=ANSWER_SECONDS, stream=stream
            )
        except requests.RequestException as error:
            raise ServerError(f"{path} got no answer: {error}") from None
        if answer.status_code != OK:
            raise ServerError(f"{path} in {workspace} answered {answer.status_code}: {answer.text[:300]}")
        return answer

    def _authorization(self) -> str:
        if time.monotonic() - self._signed_at > RENEW_SECONDS:
            self._signed_at = time.monotonic()
            self._token = _token(self._settings.live.region, self._settings.server_id)
        return f"Bearer {self._token}"


def _environment(restored: Backend) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in NOT_THE_SERVERS}
    return kept | {
        "PGHOST": restored.host,
        "PGPORT": str(restored.port),
        "PGUSER": restored.user,
        "MLFLOW_HOST": LOOPBACK,
    }


def _token(region: str, server_id: str) -> str:
    """Sign in as this task's role; the server's own grammar of a token is in `token`."""

    def name_the_server(request: Any, **_: object) -> None:
        request.headers[SERVER_ID_HEADER] = server_id

    client = boto3.client("sts", region_name=region)
    client.meta.events.register("before-sign.sts.GetCallerIdentity", name_the_server)
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=TOKEN_SECONDS, HttpMethod="GET")
    return PREFIX + base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()
