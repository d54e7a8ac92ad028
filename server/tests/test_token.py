"""Each rule of a login's token, broken alone: the rule's name in the refusal tells which one saw it."""

import base64
from datetime import UTC, datetime

import boto3
import pytest

from server.tests.tokens import NOW, PLACE, encoded, parameters, presigned, token, url
from server.tracking_server.refusal import Refusal
from server.tracking_server.token import CLOCK_SECONDS, LONGEST_BYTES, PREFIX, Token, read

STS = PLACE.sts
HOST = STS.removeprefix("https://")
LONGEST_SESSION_TOKEN = "A" * 4096


def rule(text: str, now: float = NOW) -> str:
    refusal = read(text, PLACE, now)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.status == 401
    return refusal.rule


def at(place: str) -> str:
    """A good token's URL at another place."""
    return url().replace(f"{STS}/?", place)


def test_a_token_as_botocore_signs_it_is_asked_of_sts_as_it_was_signed() -> None:
    client = boto3.client(
        "sts",
        region_name=PLACE.region,
        aws_access_key_id="ASIAABCDEFGHIJKLMNOP",
        aws_secret_access_key="secret",
        aws_session_token="IQoJb3JpZ2luX2VjEPf//+/wEaCWV1LXdlc3QtMSJH==",
    )
    text = presigned(client, PLACE.server_id)
    signed = base64.urlsafe_b64decode(text.removeprefix(PREFIX) + "==").decode()
    (date,) = (part.partition("=")[2] for part in signed.split("&") if part.startswith("X-Amz-Date"))
    now = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    taken = read(text, PLACE, now)
    assert taken == Token(question=signed, key="ASIAABCDEFGHIJKLMNOP", signed_at=now, expires=now + 900)


def test_what_is_asked_is_made_anew_of_our_own_address_and_in_our_own_order() -> None:
    good = parameters()
    turned = "&".join(f"{name}={value}" for name, value in reversed(good.items()))
    taken = read(encoded(f"{STS}/?{turned}"), PLACE, NOW)
    assert isinstance(taken, Token)
    assert taken.question == url()
    assert "Signature" not in repr(taken)


def test_a_token_of_many_session_tags_fits() -> None:
    assert isinstance(read(token(X_Amz_Security_Token=LONGEST_SESSION_TOKEN), PLACE, NOW), Token)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("", "prefix"),
        ("hello", "prefix"),
        (token().removeprefix(PREFIX), "prefix"),
        (token().replace("v1", "v2"), "prefix"),
        (token() + "=", "base64url"),
        (token()[:-1] + "+", "base64url"),
        (token() + "é", "base64url"),
        (token() + "\n", "base64url"),
        (PREFIX, "endpoint"),
        (encoded(b"\xff" + url().encode()), "base64url"),
        (token(X_Amz_Signature="é" * 32), "base64url"),
        (token(X_Amz_Security_Token="A" * LONGEST_BYTES), "length"),
    ],
)
def test_a_text_that_is_no_token_is_refused(text: str, broken: str) -> None:
    assert rule(text) == broken


def test_one_url_has_one_spelling() -> None:
    """Base64 leaves bits over at its end: with them set, another text means the same bytes."""
    for text in (encoded(url()), encoded(url() + "0"), encoded(url() + "00")):
        body = text.removeprefix(PREFIX)
        spare = {0: 0, 2: 4, 3: 2}[len(body) % 4]
        if spare:
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            other = alphabet[alphabet.index(body[-1]) + 1]
            same = base64.urlsafe_b64decode(body[:-1] + other + "==")
            assert same == base64.urlsafe_b64decode(body + "==")
            assert rule(PREFIX + body[:-1] + other) == "base64url"


@pytest.mark.parametrize(
    "place",
    [
        "https://sts.amazonaws.com/?",
        "https://sts.us-east-1.amazonaws.com/?",
        "https://sts.eu-west-1.amazonaws.com.evil.example/?",
        f"https://{HOST}@evil.example/?",
        f"https://evil.example@{HOST}/?",
        f"https://x:y@{HOST}/?",
        f"https://{HOST}:443/?",
        f"https://{HOST}:444/?",
        f"https://{HOST}:@evil.example/?",
        f"https://{HOST}./?",
        f"https://{HOST.upper()}/?",
        f"HTTPS://{HOST}/?",
        f"http://{HOST}/?",
        f"ftp://{HOST}/?",
        f"//{HOST}/?",
        f"{HOST}/?",
        f" https://{HOST}/?",
        f"https:/{HOST}/?",
        f"https:\\\\{HOST}/?",
        f"https://evil.example\\@{HOST}/?",
        f"https://evil.example#@{HOST}/?",
        f"https://evil.example?@{HOST}/?",
        f"https://evil.example%2F@{HOST}/?",
        f"https://{HOST}%2Fevil.example/?",
        f"https://{HOST}%00.evil.example/?",
        "https://sts%2Eeu-west-1.amazonaws.com/?",
        "https://xn--sts-.eu-west-1.amazonaws.com/?",
        "https://[::1]/?",
        f"https://{HOST}\t/?",
        f"https://{HOST}\r\nHost: evil.example/?",
        f"https://{HOST}?",
        f"https://{HOST}//?",
        f"https://{HOST}/x?",
        f"https://{HOST}/./?",
        f"https://{HOST}/x/../?",
        f"https://{HOST}/%3F?",
        f"https://{HOST}/;x?",
        f"https://{HOST}/#?",
        f"https://{HOST}/",
    ],
)
def test_another_place_than_our_own_sts_is_refused(place: str) -> None:
    assert rule(encoded(at(place))) == "endpoint"
    refusal = read(encoded(at(place)), PLACE, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.message.endswith("export MLFLOW_TEAM_STS_REGION=eu-west-1")


@pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61"])  # IDNA takes them for a dot
def test_unicode_never_gets_as_far_as_a_host(dot: str) -> None:
    assert rule(encoded(url().replace("sts.eu", f"sts{dot}eu"))) == "base64url"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Action", "AssumeRole"),
        ("Action", "GetCallerIdentity;Version=2011-06-15"),
        ("Action", "getcalleridentity"),
        ("Action", "GetCallerIdentity%00"),
        ("Action", ""),
        ("Version", "2011x06-15"),
        ("Version", "2012-01-01"),
        ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256%20"),
        ("X-Amz-Credential", "ASIAABCDEFGHIJKLMNOP/20261123/eu-west-1/sts/aws4_request"),
        ("X-Amz-Credential", "ASIAABCDEFGHIJKLMNOP%2F20261123%2Feu-west-1%2Fs3%2Faws4_request"),
        ("X-Amz-Credential", "ASIAABCDEFGHIJKLMNOP%2f20261123%2feu-west-1%2fsts%2faws4_request"),
        ("X-Amz-Credential", "ASIA%2F20261123%2Feu-west-1%2Fsts%2Faws4_request"),
        ("X-Amz-Date", "2026-11-23T12:00:00Z"),
        ("X-Amz-Date", "20261123T120000"),
        ("X-Amz-Date", "20261123T120000Z%00"),
        ("X-Amz-Expires", "0"),
        ("X-Amz-Expires", "-1"),
        ("X-Amz-Expires", "901"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-Expires", "0900"),
        ("X-Amz-Expires", "9e2"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-SignedHeaders", "x-mlflow-server-id%3Bhost"),
        ("X-Amz-SignedHeaders", "host%3Bx-k8s-aws-id%3Bx-mlflow-server-id"),
        ("X-Amz-SignedHeaders", "host%3Bx-mlflow-server-id%3Bzzz"),
        ("X-Amz-SignedHeaders", "host%3BX-Mlflow-Server-Id"),
        ("X-Amz-SignedHeaders", "host;x-mlflow-server-id"),
        ("X-Amz-Security-Token", ""),
        ("X-Amz-Security-Token", "a+b"),
        ("X-Amz-Security-Token", "a%0Ab"),
        ("X-Amz-Security-Token", "a%26Action%3DAssumeRole"),
        ("X-Amz-Signature", "0" * 63),
        ("X-Amz-Signature", "0" * 65),
        ("X-Amz-Signature", "A" * 64),
        ("X-Amz-Signature", "0" * 64 + "#fragment"),
        ("X-Amz-Signature", "0" * 64 + "\n"),
        ("X-Amz-Signature", "0" * 64 + " "),
        ("X-Amz-Signature", "0" * 64 + "\x00"),
    ],
)
def test_a_value_that_botocore_would_not_write_is_refused(name: str, value: str) -> None:
    assert rule(token(**{name: value})) == name


@pytest.mark.parametrize("name", sorted(parameters().keys() - {"X-Amz-Security-Token"}))
def test_a_missing_parameter_is_refused(name: str) -> None:
    query = "&".join(f"{key}={value}" for key, value in parameters().items() if key != name)
    assert rule(encoded(f"{STS}/?{query}")) == "missing parameter"


def test_a_users_own_keys_are_told_that_only_roles_log_in() -> None:
    query = "&".join(f"{key}={value}" for key, value in parameters().items() if "Security" not in key)
    refusal = read(encoded(f"{STS}/?{query}"), PLACE, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "no session token"
    assert "only roles log in: export AWS_PROFILE=" in refusal.message


@pytest.mark.parametrize("name", sorted(parameters()))
def test_a_doubled_parameter_is_refused_even_with_the_same_value(name: str) -> None:
    assert rule(encoded(f"{url()}&{name}={parameters()[name]}")) == "doubled parameter"


@pytest.mark.parametrize(
    "more",
    [
        "&RoleArn=arn",
        "&action=GetCallerIdentity",
        "&X-Amz-Date%20=20261123T120000Z",
        "&X%2DAmz%2DDate=20261123T120000Z",
        "&%41ction=AssumeRole",
        "&Action%00=AssumeRole",
        "&X-Amz-Expires[]=900",
        "&",
        "&=",
        "&#Action=AssumeRole",
    ],
)
def test_an_extra_parameter_is_refused(more: str) -> None:
    assert rule(encoded(url() + more)) == "extra parameter"


def test_another_regions_credential_is_refused() -> None:
    other = parameters()["X-Amz-Credential"].replace("eu-west-1", "eu-west-2")
    refusal = read(token(X_Amz_Credential=other), PLACE, NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.rule) == (401, "credential's region")
    assert refusal.message.endswith(": export MLFLOW_TEAM_STS_REGION=eu-west-1")


def test_a_credential_of_another_day_is_refused() -> None:
    other = parameters()["X-Amz-Credential"].replace("20261123", "20261122")
    assert rule(token(X_Amz_Credential=other)) == "credential's day"


@pytest.mark.parametrize("date", ["20261123T246060Z", "20261123T120099Z"])
def test_a_time_that_no_clock_shows_is_refused(date: str) -> None:
    assert rule(token(X_Amz_Date=date)) == "date"


@pytest.mark.parametrize(("seconds", "age"), [(900, 900), (60, 60), (1, 1), (900, 86400)])
def test_a_token_ends_with_its_own_time_that_sts_ignores(seconds: int, age: int) -> None:
    signed_at = NOW - age
    assert rule(token(signed_at, X_Amz_Expires=str(seconds))) == "expired"
    taken = read(token(signed_at, X_Amz_Expires=str(seconds)), PLACE, signed_at + seconds - 1)
    assert isinstance(taken, Token)
    assert taken.expires == signed_at + seconds


def test_an_old_token_says_both_times_and_how_to_set_the_clock() -> None:
    refusal = read(token(NOW - 3600), PLACE, NOW)
    assert isinstance(refusal, Refusal)
    for word in ("60 minutes", "11:00:00 UTC", "12:00:00 UTC", "timedatectl"):
        assert word in refusal.message


def test_a_clock_that_is_ahead_is_borne_for_five_minutes_and_named_beyond() -> None:
    assert isinstance(read(token(NOW + CLOCK_SECONDS), PLACE, NOW), Token)
    refusal = read(token(NOW + CLOCK_SECONDS + 60), PLACE, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "clock"
    for word in ("6 minutes ahead", "12:06:00 UTC", "12:00:00 UTC", "timedatectl"):
        assert word in refusal.message


def test_no_refusal_repeats_the_token() -> None:
    for text in (token(NOW - 3600), token(Action="AssumeRole"), encoded(at("https://evil.example/?"))):
        refusal = read(text, PLACE, NOW)
        assert not [
            word for word in ("ASIA", "0123456789", "evil", "IQoJ", text[20:40]) if word in repr(refusal)
        ]
