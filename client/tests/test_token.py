import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import EndpointConnectionError
from botocore.session import Session

from client.tests.conftest import KEY, REGION, SECRET, SESSION
from client.tests.verifier import Question, read
from mlflow_team.login_error import LoginError
from mlflow_team.token import TokenSource

HOST = "mlflow.example.com"
PARAMETERS = [
    "Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature",
]  # fmt: skip


def ask(tokens: TokenSource, *, secrets: dict[str, str] | None = None) -> Question:
    return read(f"Bearer {tokens.token(HOST).text}", secrets=secrets or {KEY: SECRET}, server_id=HOST)


class Clock:
    """The time as the token's maker sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real = time.time
        monkeypatch.setattr("mlflow_team.token.time.time", lambda: real() + self.ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def give(monkeypatch: pytest.MonkeyPatch, credentials: Callable[[], object]) -> None:
    """Let boto3 find these credentials; the client's own requests to AWS never happen."""
    monkeypatch.setattr(Session, "get_credentials", lambda _: credentials())


def refreshing(lives: timedelta, fetch: Callable[[], str] = lambda: KEY) -> RefreshableCredentials:
    """Return a role's credentials that renew themselves."""

    def metadata() -> dict[str, str]:
        expiry = datetime.now(UTC) + lives
        return {
            "access_key": fetch(), "secret_key": SECRET, "token": SESSION, "expiry_time": expiry.isoformat()
        }  # fmt: skip

    return RefreshableCredentials.create_from_metadata(metadata(), metadata, "assume-role")


@pytest.mark.usefixtures("role")
def test_token_asks_what_the_contract_says_and_nothing_else(tokens: TokenSource) -> None:
    question = ask(tokens)
    assert question.host == f"sts.{REGION}.amazonaws.com"
    assert question.path == "/"
    assert sorted(name for name, _ in question.parameters) == sorted(PARAMETERS)
    assert {
        name: question[name] for name in ("Action", "Version", "X-Amz-Expires", "X-Amz-SignedHeaders")
    } == {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host;x-mlflow-server-id",
    }
    assert question["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert re.fullmatch(rf"{KEY}/\d{{8}}/{REGION}/sts/aws4_request", question["X-Amz-Credential"])
    assert question["X-Amz-Security-Token"] == SESSION
    assert abs(question.signed_at - time.time()) < 60


@pytest.mark.usefixtures("role")
def test_token_is_worthless_at_another_server(tokens: TokenSource) -> None:
    text = tokens.token(HOST).text
    with pytest.raises(AssertionError, match="another's"):
        read(f"Bearer {text}", secrets={KEY: SECRET}, server_id="mlflow.example.org")


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
    ],
)
@pytest.mark.parametrize(
    "variable",
    ["AWS_USE_FIPS_ENDPOINT=true", "AWS_USE_DUALSTACK_ENDPOINT=true", "AWS_STS_REGIONAL_ENDPOINTS=legacy"],
)
def test_host_is_the_regions_own_whatever_the_environment_prefers(
    tokens: TokenSource, monkeypatch: pytest.MonkeyPatch, region: str, host: str, variable: str
) -> None:
    monkeypatch.setenv("MLFLOW_TEAM_STS_REGION", region)
    monkeypatch.setenv(*variable.split("="))
    assert ask(tokens).host == host


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"])
def test_host_is_the_endpoint_that_stands_for_aws(
    tokens: TokenSource, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "https://127.0.0.1:4566")
    question = ask(tokens)
    assert (question.host, question.path) == ("127.0.0.1:4566", "/")


@pytest.mark.usefixtures("role")
def test_host_is_the_endpoint_of_the_profile(
    tokens: TokenSource, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "config").write_text(
        "[profile work]\nservices = here\n[services here]\nsts =\n  endpoint_url = https://127.0.0.1:4567\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    keys = ReadOnlyCredentials(KEY, SECRET, SESSION)
    give(monkeypatch, lambda: Credentials(*keys[:3]))
    assert ask(tokens).host == "127.0.0.1:4567"


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize("region", [None, "", "europe", "eu-central-1/", "eu-central-1\n", "EU-CENTRAL-1"])
def test_missing_or_malformed_region_is_told(
    tokens: TokenSource, monkeypatch: pytest.MonkeyPatch, region: str | None
) -> None:
    if region is None:
        monkeypatch.delenv("MLFLOW_TEAM_STS_REGION")
    else:
        monkeypatch.setenv("MLFLOW_TEAM_STS_REGION", region)
    with pytest.raises(LoginError, match=r"MLFLOW_TEAM_STS_REGION is .*: load what onboarding wrote: set -a"):
        tokens.token(HOST)


@pytest.mark.usefixtures("role")
def test_token_is_kept_for_a_third_of_its_life(tokens: TokenSource, clock: Clock) -> None:
    first = tokens.token(HOST)
    clock.ahead = 295
    assert tokens.token(HOST) is first
    clock.ahead = 305
    assert tokens.token(HOST).expires_at > first.expires_at


@pytest.mark.usefixtures("role")
def test_another_server_gets_another_token(tokens: TokenSource) -> None:
    first = tokens.token(HOST).text
    second = tokens.token("other.example.com").text
    assert read(f"Bearer {second}", secrets={KEY: SECRET}, server_id="other.example.com")
    assert first != second


@pytest.mark.usefixtures("role")
def test_refused_token_is_not_used_again(tokens: TokenSource) -> None:
    first = tokens.token(HOST)
    tokens.drop("another's")
    assert tokens.token(HOST) is first
    tokens.drop(first.text)
    assert tokens.token(HOST) is not first


def test_many_threads_share_one_signing(tokens: TokenSource, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(32)
    signings = []

    def credentials() -> Credentials:
        signings.append(1)
        return Credentials(KEY, SECRET, SESSION)

    monkeypatch.setattr(TokenSource, "_session_of", lambda *_: Session())
    give(monkeypatch, credentials)

    def work(_: int) -> str:
        together.wait()
        return tokens.token(HOST).text

    with ThreadPoolExecutor(32) as pool:
        assert len(set(pool.map(work, range(32)))) == 1
    assert len(signings) <= 2  # the signing, and botocore's own look for the endpoint


@pytest.mark.usefixtures("role")
def test_nobody_waits_while_somebody_renews(
    tokens: TokenSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tokens.token(HOST)
    clock.ahead = 700
    renewing, go_on = threading.Event(), threading.Event()
    sign = TokenSource._sign

    def slow(self: TokenSource, *arguments: object) -> object:
        renewing.set()
        assert go_on.wait(10)
        return sign(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TokenSource, "_sign", slow)
    with ThreadPoolExecutor(1) as pool:
        renewed = pool.submit(tokens.token, HOST)
        assert renewing.wait(10)
        assert tokens.token(HOST) is first
        go_on.set()
        assert renewed.result() is not first


def test_token_never_outlives_its_credentials(tokens: TokenSource, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = refreshing(timedelta(seconds=700))
    give(monkeypatch, lambda: credentials)
    question = ask(tokens)
    assert 0 < int(question["X-Amz-Expires"]) <= 700
    assert tokens.token(HOST).expires_at <= time.time() + 700


def test_renewed_credentials_sign_the_next_token(
    tokens: TokenSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter([KEY, "ASIASECOND0000000000"])
    credentials = refreshing(timedelta(minutes=12), lambda: next(keys))  # botocore renews in the last 15
    give(monkeypatch, lambda: credentials)
    both = {KEY: SECRET, "ASIASECOND0000000000": SECRET}
    assert ask(tokens, secrets=both)["X-Amz-Credential"].startswith("ASIASECOND")


def test_failed_renewal_lets_the_token_end_its_life_and_no_longer(
    tokens: TokenSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, lambda: Credentials(KEY, SECRET, SESSION))
    first = tokens.token(HOST)
    tried = []

    def unreachable() -> Credentials:
        tried.append(1)
        raise EndpointConnectionError(endpoint_url="https://sts.eu-central-1.amazonaws.com")

    give(monkeypatch, unreachable)
    clock.ahead = 650
    assert tokens.token(HOST).text == first.text
    before = len(tried)
    assert tokens.token(HOST).text == first.text
    assert len(tried) == before, "it asks again at every request"
    clock.ahead = 685
    assert tokens.token(HOST).text == first.text
    assert len(tried) > before
    clock.ahead = 901
    with pytest.raises(LoginError, match="AWS does not answer"):
        tokens.token(HOST)


@pytest.mark.usefixtures("role")
def test_changed_environment_means_another_token(
    tokens: TokenSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(tokens)["X-Amz-Credential"].startswith(KEY)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAOTHER00000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    question = ask(tokens, secrets={"ASIAOTHER00000000000": "other"})
    assert question["X-Amz-Credential"].startswith("ASIAOTHER")


def test_switched_profile_means_another_token(
    tokens: TokenSource, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id=ASIA{name}\naws_secret_access_key={name}\naws_session_token=t\n"
            for name in ("ada", "grace")
        )
    )
    for name in ("ada", "grace"):
        monkeypatch.setenv("AWS_PROFILE", name)
        assert ask(tokens, secrets={f"ASIA{name}": name})


def test_renewed_credentials_file_is_read_at_the_next_renewal(
    tokens: TokenSource, clock: Clock, machine: Path
) -> None:
    for number in (1, 2):
        (machine / "credentials").write_text(
            f"[default]\naws_access_key_id=ASIA{number}\naws_secret_access_key={number}\naws_session_token=t\n"
        )
        clock.ahead = 650 * (number - 1)
        assert ask(tokens, secrets={f"ASIA{number}": str(number)})


def test_session_of_renewing_credentials_is_kept(
    tokens: TokenSource, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new session would assume the role again every ten minutes."""
    credentials = refreshing(timedelta(hours=1))
    sessions = set()

    def find(session: Session) -> RefreshableCredentials:
        sessions.add(session)
        return credentials

    monkeypatch.setattr(Session, "get_credentials", find)
    for step in range(3):
        clock.ahead = 650.0 * step
        tokens.token(HOST)
    assert len(sessions) == 1


@pytest.mark.usefixtures("role")
def test_forked_process_does_not_wait_for_its_parents_threads(tokens: TokenSource) -> None:
    with tokens._lock:
        if (child := os.fork()) == 0:
            os._exit(0 if tokens.token(HOST).text else 1)
        deadline = time.monotonic() + 20
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            assert time.monotonic() < deadline, os.kill(child, 9)
            time.sleep(0.01)
    assert os.waitstatus_to_exitcode(ended[1]) == 0


@pytest.mark.usefixtures("role")
def test_token_is_not_shown_by_what_prints_it(tokens: TokenSource) -> None:
    token = tokens.token(HOST)
    assert token.text not in repr(token)
    assert SESSION not in repr(token)
