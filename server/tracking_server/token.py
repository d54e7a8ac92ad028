"""A login's token: a question to STS who its bearer is, signed by the bearer; checked, never requested."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .refusal import Refusal

PREFIX = "mlflow-aws-v1."
# A role's session token takes 1 to 2 KiB; the rest is 500 bytes, all of it a third longer in base64.
LONGEST_BYTES = 8 * 1024
# What AWS itself bears; a clock further ahead would also make a token live longer.
CLOCK_SECONDS = 300
SERVER_ID_HEADER = "x-mlflow-server-id"
DATE = "%Y%m%dT%H%M%SZ"
# Each value as botocore writes it into a query; nothing else is let in, so nothing has to be taken out.
GRAMMAR = {
    "Action": "GetCallerIdentity",
    "Version": r"2011-06-15",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": r"[A-Z0-9]{16,128}%2F(?P<day>[0-9]{8})%2F(?P<region>[a-z0-9-]+)%2Fsts%2Faws4_request",
    "X-Amz-Date": r"[0-9]{8}T[0-9]{6}Z",
    "X-Amz-Expires": r"[1-9][0-9]?|[1-8][0-9]{2}|900",
    "X-Amz-SignedHeaders": f"host%3B{SERVER_ID_HEADER}",
    "X-Amz-Security-Token": r"(?:[A-Za-z0-9._~-]|%2[BF]|%3D)+",
    "X-Amz-Signature": "[0-9a-f]{64}",
}
REGION = "credential's region"
VALUES = {name: re.compile(pattern) for name, pattern in GRAMMAR.items()}
BROWSER = "A browser cannot log in by itself; open this page with: mlflow-team ui"
NO_TOKEN = (
    "No login came with this request; log in with your team's IAM role: pip install ./client, "  # noqa: S105
    "then load the environment file of your onboarding (MLFLOW_TRACKING_AUTH=aws-role)"
)
USER = Refusal(
    status=401,
    rule="no session token",
    message="The token is signed with a user's own keys, and only roles log in: "
    "export AWS_PROFILE=<a profile that assumes your team's role>",
)
SET_CLOCK = "sudo timedatectl set-ntp true"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What tokens must be made for.

    Attributes:
        server_id: the host name under which clients know this server.
        region: whose STS is asked.
        sts: its origin, such as https://sts.eu-west-1.amazonaws.com.
    """

    server_id: str
    region: str
    sts: str


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token that keeps all rules; whether its signature is good, STS knows.

    Attributes:
        question: URL for STS, made anew of our own origin and the checked values.
        key: the id of the key that signed it, as the token says.
        signed_at: seconds since 1970.
        expires: same.
    """

    question: str = field(repr=False)
    key: str = field(repr=False)
    signed_at: float
    expires: float


def read(text: str, place: Place, now: float) -> Token | Refusal:
    """Take a token apart; return it only when every rule holds."""
    if len(text) > LONGEST_BYTES:
        return _malformed("length")
    if not text.startswith(PREFIX):
        return _malformed("prefix")
    url = _decoded(text.removeprefix(PREFIX))
    if url is None:
        return _malformed("base64url")
    origin = f"{place.sts}/?"
    if not url.startswith(origin):
        return Refusal(
            status=401,
            rule="endpoint",
            message=f"The token asks another STS than {place.sts}, which this server asks: "
            f"export MLFLOW_TEAM_STS_REGION={place.region}",
        )
    parameters = _parameters(url.removeprefix(origin), place)
    return parameters if isinstance(parameters, Refusal) else _dated(parameters, origin, now)


def _decoded(text: str) -> str | None:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        url = raw.decode("ascii")
    except (binascii.Error, ValueError):
        return None
    # One token, one text: a second spelling of it would be another token to every cache.
    return url if base64.urlsafe_b64encode(raw).rstrip(b"=") == text.encode() else None


def _parameters(query: str, place: Place) -> dict[str, str] | Refusal:
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        return _malformed("doubled parameter")
    if parameters.keys() - VALUES.keys():
        return _malformed("extra parameter")
    if VALUES.keys() - parameters.keys() == {"X-Amz-Security-Token"}:
        return USER
    if VALUES.keys() - parameters.keys():
        return _malformed("missing parameter")
    wrong = _wrong_value(parameters, place)
    if wrong == REGION:
        return Refusal(
            status=401,
            rule=wrong,
            message=f"The token is signed for another region than {place.region}, which is this server's: "
            f"export MLFLOW_TEAM_STS_REGION={place.region}",
        )
    return _malformed(wrong) if wrong else parameters


def _wrong_value(parameters: Mapping[str, str], place: Place) -> str | None:
    found = {name: pattern.fullmatch(parameters[name]) for name, pattern in VALUES.items()}
    for name, match in found.items():
        if match is None:
            return name
    scope = found["X-Amz-Credential"]
    if scope is None or scope["region"] != place.region:
        return REGION
    return "credential's day" if scope["day"] != parameters["X-Amz-Date"][:8] else None


def _dated(parameters: dict[str, str], origin: str, now: float) -> Token | Refusal:
    try:
        signed_at = datetime.strptime(parameters["X-Amz-Date"], DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return _malformed("date")
    expires = signed_at + int(parameters["X-Amz-Expires"])
    if signed_at - now > CLOCK_SECONDS:
        return clock_refusal("clock", f"{(signed_at - now) / 60:.0f} minutes ahead", signed_at, now)
    if now >= expires:
        return clock_refusal("expired", f"signed {(now - signed_at) / 60:.0f} minutes ago", signed_at, now)
    question = origin + "&".join(f"{name}={parameters[name]}" for name in VALUES)
    key = parameters["X-Amz-Credential"].partition("%2F")[0]
    return Token(question=question, key=key, signed_at=signed_at, expires=expires)


def clock_refusal(rule: str, fault: str, signed_at: float, now: float) -> Refusal:
    """Say both times: a client renews its token by itself, so an old one is mostly a wrong clock."""
    return Refusal(
        status=401,
        rule=rule,
        message=f"The token is {fault} (its clock said {_utc(signed_at)}, here it is {_utc(now)}); "
        f"if your clock is wrong: {SET_CLOCK}",
    )


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _malformed(rule: str) -> Refusal:
    return Refusal(
        status=401,
        rule=rule,
        message=f"The token is not one of mlflow-team's ({rule}); renew it from the checkout: "
        "pip install --upgrade ./client",
    )
