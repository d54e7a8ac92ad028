"""Judges a token by its own reading of AWS Signature Version 4: no code of the client or botocore."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

PREFIX = "Bearer mlflow-aws-v1."


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a token asks STS.

    Attributes:
        parameters: in the order in which they stand in the URL.
    """

    host: str
    path: str
    parameters: list[tuple[str, str]]
    signed_at: float
    expires_at: float

    def __getitem__(self, name: str) -> str:
        (value,) = [each for key, each in self.parameters if key == name]
        return value


def read(authorization: str, *, secrets: dict[str, str], server_id: str) -> Question:
    """Return what the token asks; the signature must be that of the key it names, for this server."""
    assert authorization.startswith(PREFIX), authorization
    text = authorization.removeprefix(PREFIX)
    assert "=" not in text
    url = urlsplit(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    assert (url.scheme, url.fragment) == ("https", "")
    pairs = parse_qsl(url.query, strict_parsing=True)
    found = dict(pairs)
    assert len(found) == len(pairs)
    key, day, region, service, end = found["X-Amz-Credential"].split("/")
    assert (service, end) == ("sts", "aws4_request")
    unsigned = sorted((name, value) for name, value in pairs if name != "X-Amz-Signature")
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in unsigned)
    headers = f"host:{url.netloc}\nx-mlflow-server-id:{server_id}\n"
    nothing = hashlib.sha256(b"").hexdigest()
    request = f"GET\n{url.path}\n{query}\n{headers}\n{found['X-Amz-SignedHeaders']}\n{nothing}"
    scope = f"{day}/{region}/sts/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signing = f"AWS4-HMAC-SHA256\n{found['X-Amz-Date']}\n{scope}\n{digest}"
    secret = f"AWS4{secrets[key]}".encode()
    for part in (day, region, "sts", "aws4_request", signing):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    assert secret.hex() == found["X-Amz-Signature"], "the signature is another's"
    signed_at = datetime.strptime(found["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    return Question(
        host=url.netloc,
        path=url.path,
        parameters=pairs,
        signed_at=signed_at,
        expires_at=signed_at + min(900, int(found["X-Amz-Expires"])),
    )
