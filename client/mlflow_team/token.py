"""Makes the login's token: a signed question to STS, who am I, that only the tracking server may ask."""

import base64
import contextlib
import os
import re
import threading
import time
from dataclasses import dataclass, replace

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from .login_error import LOAD, LoginError, explain, no_credentials, no_role

PREFIX = "mlflow-aws-v1."
REGION_VARIABLE = "MLFLOW_TEAM_STS_REGION"
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d", re.ASCII)
SERVER_ID = "x-mlflow-server-id"
QUESTION = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
LIFETIME_SECONDS = 900  # the most that the server accepts
# Of its life: what is left bears a clock 5 minutes behind, then MLflow's own retries, which take four.
RENEW_AFTER = 1 / 3
RETRY_SECONDS = 30.0
# The server resolves its own STS without them, and accepts no other host.
ENDPOINT = Config(use_fips_endpoint=False, use_dualstack_endpoint=False)
PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})

Origin = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True)
class Token:
    """A login to one server.

    Attributes:
        text: what follows `Bearer`.
        origin: the server and the environment it was made for.
        renew_at: when a new one is wanted, in seconds since the epoch, as all times here: a machine that
            slept has aged its tokens.
        expires_at: when the server or the credentials end it.
    """

    text: str
    origin: Origin
    renew_at: float
    expires_at: float

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at})"


class TokenSource:
    """Gives every thread the same token, and makes a new one in good time.

    Its session is its own: a script may change boto3's default one, and MLflow replaces its clients.
    """

    def __init__(self, lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        self._lifetime = lifetime_seconds
        self.forget()
        if hasattr(os, "register_at_fork"):  # the child's copy of a lock that another thread held stays held
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew, without session and token."""
        self._lock = threading.Lock()
        self._session: tuple[Origin, Session] | None = None
        self._token: Token | None = None

    def token(self, server_id: str) -> Token:
        """Return a token for the server of this name.

        Raises:
            LoginError: AWS gave no credentials that could log in.
        """
        # A notebook that changes AWS_PROFILE or exports keys means the next request to be somebody else's.
        names = sorted(name for name in os.environ if name.startswith("AWS_") or name == REGION_VARIABLE)
        origin = (server_id, tuple((name, os.environ.get(name, "")) for name in names))
        token = self._usable(origin)
        if token and (time.time() < token.renew_at or not self._lock.acquire(blocking=False)):
            return token  # or somebody renews it already
        if not token:
            self._lock.acquire()
        try:
            token = self._usable(origin)
            if not token or time.time() >= token.renew_at:
                token = self._token = self._renew(origin, token)
            return token
        finally:
            self._lock.release()

    def drop(self, text: str) -> None:
        """Forget a token that a server refused."""
        with self._lock:
            if self._token and self._token.text == text:
                self._token = None

    def _usable(self, origin: Origin) -> Token | None:
        token = self._token
        return token if token and token.origin == origin and time.time() < token.expires_at else None

    def _renew(self, origin: Origin, token: Token | None) -> Token:
        """Return a new token; when AWS does not give one, the old one may end its life."""
        try:
            return self._sign(origin)
        except LoginError:
            if not token:
                raise
            return replace(token, renew_at=time.time() + RETRY_SECONDS)

    def _sign(self, origin: Origin) -> Token:
        region = os.environ.get(REGION_VARIABLE, "")
        if not REGION.fullmatch(region):
            raise LoginError(f"{REGION_VARIABLE} is {region!r}, not the tracking server's AWS region: {LOAD}")
        session = self._session_of(origin)
        try:
            credentials = session.get_credentials()
            if credentials is None:
                raise no_credentials(session)
            frozen = credentials.get_frozen_credentials()
            endpoint = session.create_client("sts", region_name=region, config=ENDPOINT).meta.endpoint_url
        except LoginError:
            raise
        except (BotoCoreError, ClientError, RuntimeError, ValueError) as error:
            raise explain(error, session) from None
        if not frozen.token:
            raise no_role(session)
        now = int(time.time())  # as the signature has it
        lifetime = self._lifetime
        if expiry := getattr(credentials, "_expiry_time", None):  # botocore keeps it to itself
            lifetime = max(1, min(lifetime, int(expiry.timestamp() - now)))
        url, headers = f"{endpoint.rstrip('/')}/", {SERVER_ID: origin[0]}
        request = AWSRequest("GET", url, params=QUESTION, headers=headers)
        SigV4QueryAuth(frozen, "sts", region, expires=lifetime).add_auth(request)
        return Token(
            text=PREFIX + base64.urlsafe_b64encode(str(request.url).encode()).decode().rstrip("="),
            origin=origin,
            renew_at=now + lifetime * RENEW_AFTER,
            expires_at=now + lifetime,
        )

    def _session_of(self, origin: Origin) -> Session:
        """Return the session that holds the environment's credentials."""
        if self._session and self._session[0] == origin:
            session = self._session[1]
            with contextlib.suppress(BotoCoreError, ClientError):
                if isinstance(session.get_credentials(), RefreshableCredentials):
                    return session
            # Keys in a file do not renew themselves, but somebody may have renewed the file.
        session = Session()
        session.set_config_variable("sts_regional_endpoints", "regional")
        session.set_default_client_config(PATIENCE)
        self._session = (origin, session)
        return session


TOKENS = TokenSource()
