"""What RDS does with an IAM token: read it, sign it again with the caller's secret, compare."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "rds-db"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
MAX_AGE = timedelta(minutes=15)
CLOCK_SKEW = timedelta(minutes=5)


class TokenRefusedError(Exception):
    """The token is not one that RDS would take; the message says why and holds nothing secret."""


@dataclass(frozen=True, kw_only=True)
class DatabaseAddress:
    """What a token is made for."""

    host: str
    port: int
    region: str


def verify(
    token: str,
    address: DatabaseAddress,
    user: str,
    secret_of: Callable[[str, str | None], str | None],
    now: datetime | None = None,
) -> str:
    """Check a token for this address and user, and return the access key id that made it.

    Args:
        token: a presigned `connect` request without its scheme.
        address: where the client connected to.
        user: the database user of the startup message.
        secret_of: gives the secret of an access key id and session token, None when IAM knows no such key.
        now: time of the check, for tests.

    Raises:
        TokenRefusedError: anything about it is not as it must be.
    """
    url = urlsplit(f"https://{token}")
    try:
        pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise TokenRefusedError("not a token") from None
    query = dict(pairs)
    if len(query) != len(pairs):
        raise TokenRefusedError("a parameter stands there twice")
    signature = query.pop("X-Amz-Signature", "")
    access_key_id, _, scope = query.get("X-Amz-Credential", "").partition("/")
    signed_at = _signed_at(query.get("X-Amz-Date", ""))
    for what, received, wanted in (
        ("address", url.netloc, f"{address.host}:{address.port}"),
        ("path", url.path, "/"),
        ("action", query.get("Action"), "connect"),
        ("user", query.get("DBUser"), user),
        ("algorithm", query.get("X-Amz-Algorithm"), ALGORITHM),
        ("signed headers", query.get("X-Amz-SignedHeaders"), "host"),
        ("scope", scope, f"{signed_at:%Y%m%d}/{address.region}/{SERVICE}/aws4_request"),
    ):
        if received != wanted:
            raise TokenRefusedError(f"made for {what} {received!r}, not {wanted!r}")
    age = (now or datetime.now(UTC)) - signed_at
    if age > min(MAX_AGE, timedelta(seconds=_seconds(query.get("X-Amz-Expires", "")))) or age < -CLOCK_SKEW:
        raise TokenRefusedError(f"signed {age.total_seconds():.0f} s ago")
    secret = secret_of(access_key_id, query.get("X-Amz-Security-Token"))
    if secret is None:
        raise TokenRefusedError(f"IAM knows no key {access_key_id!r} with this session token")
    if not hmac.compare_digest(signature, _sign(query, url.netloc, scope, secret)):
        raise TokenRefusedError("its signature is wrong")
    return access_key_id


def _signed_at(date: str) -> datetime:
    try:
        return datetime.strptime(date, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise TokenRefusedError(f"signed at {date!r}") from None


def _seconds(expires: str) -> int:
    if not expires.isdecimal():
        raise TokenRefusedError(f"expires after {expires!r}")
    return int(expires)


def _sign(query: dict[str, str], host: str, scope: str, secret: str) -> str:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
    canonical_query = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    empty_body = hashlib.sha256(b"").hexdigest()
    request = f"GET\n/\n{canonical_query}\nhost:{host}\n\nhost\n{empty_body}"
    to_sign = f"{ALGORITHM}\n{query['X-Amz-Date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
