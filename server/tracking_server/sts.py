"""Asks this region's STS whose a token is: own address, no redirect, bounded in time and length."""

import logging
import os
import re
import ssl
from types import TracebackType
from typing import Self

import aiohttp
import boto3
import certifi
from yarl import URL

from .errors import StartError
from .refusal import Refusal
from .token import SERVER_ID_HEADER, SET_CLOCK, Place, Token

SECONDS = 5
# An answer takes half a KiB.
LONGEST_BYTES = 64 * 1024
OK = 200
ANSWER = re.compile(r"(?:<\?xml[^<>]*\?>)?\s*<GetCallerIdentityResponse\b")
ARN = re.compile(r"<Arn>([^<>&]*)</Arn>")  # a reader of XML would also read what XML can do to its readers
CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
CLOCK = re.compile(r"<Message>Signature (?:expired|not yet current)")
# How STS says that the token is at fault; whatever else it says, it is STS that cannot be used.
SIGNATURE = "SignatureDoesNotMatch"
UNKNOWN_KEYS = (
    "AWS does not know the keys that signed the token; those of a shell win over AWS_PROFILE: "
    "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
)
ENDED = "The credentials that signed the token have ended; log in to AWS again, such as by: aws sso login"
REFUSED = {
    SIGNATURE: "The token's signature is not good for this server: export MLFLOW_TRACKING_URI=https://{server_id}",
    "ExpiredToken": ENDED,
    "ExpiredTokenException": ENDED,
    "InvalidClientTokenId": UNKNOWN_KEYS,
    "InvalidToken": UNKNOWN_KEYS,
    "UnrecognizedClientException": UNKNOWN_KEYS,
    "IncompleteSignature": "STS cannot read the token; renew the client from the checkout: "
    "pip install --upgrade ./client",
    "RequestExpired": f"STS takes the token for too old or too new; if your clock is wrong: {SET_CLOCK}",
}
UNAVAILABLE = Refusal(
    status=503,
    rule="STS unavailable",
    message="AWS's STS, which knows who you are, does not answer this server; try again: "
    "aws sts get-caller-identity tells whether it answers you",
    retry_seconds=5,
)
LOG = logging.getLogger("tracking_server.login")


def sts_origin(region: str) -> str:
    """Return the origin of the region's STS, as every AWS SDK finds it.

    Raises:
        StartError: it is no https:// address.
    """
    # It signs nothing, and needs no credentials to know the address.
    client = boto3.client("sts", region_name=region, aws_access_key_id="-", aws_secret_access_key="-")  # noqa: S106
    origin = str(client.meta.endpoint_url).rstrip("/")
    if not re.fullmatch(r"https://[a-z0-9.-]+(:\d+)?", origin):
        raise StartError(f"STS must be at an https:// address, not {origin}: unset AWS_ENDPOINT_URL")
    return origin


class Sts:
    """One session of HTTP with STS, open between entering and leaving."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        authorities = os.environ.get("AWS_CA_BUNDLE") or certifi.where()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=authorities)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, token: Token) -> str | Refusal:
        """Return the ARN of whoever signed the token."""
        try:
            status, text = await self._get(token)
        except Exception as error:  # noqa: BLE001 - none may pass: aiohttp's messages bear the URL
            LOG.error("STS does not answer: %s", type(error).__name__)  # noqa: TRY400 - same
            return UNAVAILABLE
        return self._verdict(status, text)

    async def _get(self, token: Token) -> tuple[int, str]:
        if self._session is None:
            raise RuntimeError("not entered")
        async with self._session.get(
            # Encoded: what was signed goes out byte by byte.
            URL(token.question, encoded=True),
            headers={SERVER_ID_HEADER: self._place.server_id, "Accept-Encoding": "identity"},
            allow_redirects=False,
        ) as answer:
            body = b""
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > LONGEST_BYTES:
                    raise ValueError("too long")
            return answer.status, body.decode()

    def _verdict(self, status: int, text: str) -> str | Refusal:
        if status == OK:
            arns = ARN.findall(text)
            if ANSWER.match(text) and len(arns) == 1:
                return str(arns[0])
        elif found := CODE.search(text):
            code = "RequestExpired" if CLOCK.search(text) else found[1]
            if status in {400, 403} and code in REFUSED:
                message = REFUSED[code].format(server_id=self._place.server_id)
                return Refusal(status=401, rule=code, message=message)
            LOG.error("STS answers %d %s", status, code)
            return UNAVAILABLE
        LOG.error("STS answers %d with something else than it should", status)
        return UNAVAILABLE
