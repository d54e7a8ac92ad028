"""AWS on this machine: ministack with IAM enforced, over TLS, on loopback, without Docker."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from rehearsal.certificates import CertificateAuthority
from rehearsal.processes import Process, listening_socket

REGION = "eu-west-1"
ACCOUNT_ID = "000000000000"
ENVIRONMENT = Path(__file__).parent.parent / ".venv-emulator"
APPLICATION = Path(__file__).parent / "emulated" / "application.py"
READY_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 75
# The emulator's account root; it exists on loopback only and ends with the rehearsal.
ROOT_KEY: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class Emulator:
    """Runs the emulator while the context is open; its state lives in memory.

    Attributes:
        url: the endpoint of every service, `https://127.0.0.1:<port>`.
        plain_url: the same without TLS, for seeing that it is refused.
        ca_bundle: PEM file that its clients must trust.
    """

    def __init__(self, folder: Path, authority: CertificateAuthority, *, logs: Path | None = None) -> None:
        """Take a folder of its own and, if not there, where its log goes."""
        certificate = authority.issue("emulator", "127.0.0.1", "localhost")
        self._listener, self._plain_listener = listening_socket(), listening_socket()
        port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{port}"
        self.plain_url = f"http://127.0.0.1:{self._plain_listener.getsockname()[1]}"
        self.ca_bundle = authority.bundle
        self._process = Process(
            "AWS emulator",
            # Not by its own command: that binds 127.0.0.1:443 as well when it is free.
            [
                ENVIRONMENT / "bin" / "python", "-m", "hypercorn", f"{APPLICATION}:app",
                "--bind", f"fd://{self._listener.fileno()}",
                "--insecure-bind", f"fd://{self._plain_listener.fileno()}",
                "--certfile", certificate.chain, "--keyfile", certificate.key,
                "--keep-alive", str(KEEP_ALIVE_SECONDS), "--graceful-timeout", "0",
                # One process: a worker of its own would outlive it when it is killed.
                "--workers", "0",
            ],
            environment={
                "PATH": "/usr/bin:/bin",
                "HOME": str(folder),
                "TMPDIR": str(folder),
                "AUTH": "true",
                "USE_SSL": "1",
                "MINISTACK_SSL_CERT": str(certificate.chain),
                "MINISTACK_SSL_KEY": str(certificate.key),
                "MINISTACK_REGION": REGION,
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                # Whether a laptop has Docker must not change the rehearsal.
                "DOCKER_HOST": "unix:///nonexistent",
                "LOG_LEVEL": "WARNING",
            },
            log=(logs or folder) / "emulator.log",
            pass_fds=[self._listener.fileno(), self._plain_listener.fileno()],
        )  # fmt: skip

    def __enter__(self) -> Self:
        with self._listener, self._plain_listener:
            self._process.__enter__()
        try:
            self._process.wait_ready(self._reason_not_ready, seconds=READY_SECONDS)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def _reason_not_ready(self) -> str | None:
        context = ssl.create_default_context(cafile=str(self.ca_bundle))
        try:
            with urllib.request.urlopen(
                f"{self.url}/_ministack/health", timeout=2, context=context
            ) as answer:
                json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as error:
            return f"no answer from {self.url}: {error}"
        return None

    def client(self, service: str, **credentials: Any) -> Any:
        """Return a boto3 client; as the account's root unless credentials are given."""
        return boto3.Session().client(
            service,
            endpoint_url=self.url,
            verify=str(self.ca_bundle),
            region_name=REGION,
            config=Config(retries={"mode": "standard", "max_attempts": 2}),
            **(credentials or ROOT_KEY),
        )
