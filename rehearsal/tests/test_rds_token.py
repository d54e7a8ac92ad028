"""The token that the AWS SDK makes, and every way in which RDS would not take it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import boto3
import pytest

from rehearsal import rds_token
from rehearsal.rds_token import DatabaseAddress, TokenRefusedError, verify

ADDRESS = DatabaseAddress(host="db.example", port=5432, region="eu-west-1")
KEY, SECRET, SESSION = "ASIAEXAMPLE", "a secret/with+signs", "session/token+with=signs"


def token(
    host: str = ADDRESS.host, port: int = ADDRESS.port, user: str = "mlflow", region: str = ADDRESS.region
) -> str:
    session = boto3.Session(
        aws_access_key_id=KEY, aws_secret_access_key=SECRET, aws_session_token=SESSION, region_name=region
    )
    return str(session.client("rds").generate_db_auth_token(host, port, user))


def secret_of(access_key_id: str, session_token: str | None) -> str | None:
    return SECRET if (access_key_id, session_token) == (KEY, SESSION) else None


def reason_refused(presented: str, *, later: timedelta = timedelta(), user: str = "mlflow") -> str:
    with pytest.raises(TokenRefusedError) as error:
        verify(presented, ADDRESS, user, secret_of, now=datetime.now(UTC) + later)
    assert SECRET not in str(error.value)
    return str(error.value)


def test_the_sdks_token_is_taken_and_names_its_key() -> None:
    assert verify(token(), ADDRESS, "mlflow", secret_of) == KEY


def test_a_token_is_good_for_fifteen_minutes() -> None:
    now = datetime.now(UTC)
    assert verify(token(), ADDRESS, "mlflow", secret_of, now=now + timedelta(minutes=14, seconds=50)) == KEY
    assert "signed 9" in reason_refused(token(), later=timedelta(minutes=15, seconds=2))
    assert "signed -" in reason_refused(token(), later=-timedelta(minutes=6))


def test_a_token_that_gives_itself_longer_is_good_for_fifteen_minutes_too() -> None:
    query = dict(parse_qsl(token().partition("?")[2])) | {"X-Amz-Expires": "86400"}
    del query["X-Amz-Signature"]
    scope = query["X-Amz-Credential"].partition("/")[2]
    address = f"{ADDRESS.host}:{ADDRESS.port}"
    signature = rds_token._sign(query, address, scope, SECRET)
    longer = f"{address}/?{urlencode(query | {'X-Amz-Signature': signature})}"
    assert verify(longer, ADDRESS, "mlflow", secret_of) == KEY
    assert "signed 9" in reason_refused(longer, later=timedelta(minutes=15, seconds=2))


def altered(old: str, new: str) -> str:
    made = token()
    assert old in made
    return made.replace(old, new)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: token(host="other.example"), "made for address"),
        (lambda: token(port=5433), "made for address"),
        (lambda: token(user="mlflow_admin"), "made for user"),
        (lambda: token(region="us-east-1"), "made for scope"),
        (lambda: altered("Action=connect", "Action=describe"), "made for action"),
        (lambda: altered("SignedHeaders=host", "SignedHeaders=host%3Bx"), "made for signed headers"),
        (lambda: altered("Action=connect", "Action=connect&Action=connect"), "stands there twice"),
        (lambda: altered("X-Amz-Signature=", "X-Amz-Signature=0"), "signature is wrong"),
        (lambda: altered("X-Amz-Expires=900", "X-Amz-Expires=9000"), "signature is wrong"),
        (lambda: altered("X-Amz-Expires=900", "X-Amz-Expires=soon"), "expires after 'soon'"),
        (lambda: altered(KEY, "ASIAOTHER"), "IAM knows no key"),
        (lambda: altered("session", "stolen"), "IAM knows no key"),
        (lambda: "db.example:5432/?not a token", "not a token"),
        (lambda: "a password", "signed at ''"),
        (lambda: "", "signed at ''"),
    ],
)
def test_any_other_token_is_refused_with_the_reason(make: Callable[[], str], reason: str) -> None:
    assert reason in reason_refused(make())


def test_a_users_token_does_not_open_another_users_door() -> None:
    assert "made for user" in reason_refused(token(), user="other")
