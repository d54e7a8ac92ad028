import time
from collections.abc import Iterator
from email.utils import formatdate

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking.request_auth.registry import fetch_auth

from client.tests.conftest import KEY, SECRET
from client.tests.servers import Answer, Asked, Server, server
from client.tests.verifier import read
from mlflow_team.login import RoleAuth
from mlflow_team.login_error import LoginError
from mlflow_team.token import TOKENS, TokenSource

pytestmark = pytest.mark.usefixtures("role")
SENTENCE = "you are no member of team vision. Ask the platform engineer, then: pulumi up"
REFUSED = Answer(403, body=b'{"error_code": "PERMISSION_DENIED", "message": "%s"}' % SENTENCE.encode())


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    TOKENS.forget()
    yield
    mlflow.set_tracking_uri(None)


def use(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "aws-role")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def logins(running: Server) -> list[str]:
    return [each.headers["Authorization"] for each in running.asked if "Authorization" in each.headers]


def test_mlflow_finds_the_login_by_its_name() -> None:
    assert isinstance(fetch_auth("aws-role"), RoleAuth)


def test_plain_mlflow_script_logs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda _: Answer(body=b'{"experiments": []}')) as running:
        use(monkeypatch, running.uri)
        assert list(mlflow.search_experiments()) == []
    assert running.asked
    for login in logins(running):
        read(login, secrets={KEY: SECRET}, server_id="127.0.0.1")
    assert len(logins(running)) == len(running.asked)


def test_login_takes_the_place_of_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "static")
    with server(lambda _: Answer()) as running:
        use(monkeypatch, running.uri)
        mlflow.search_experiments()
    assert running.asked
    for asked in running.asked:
        (login,) = asked.headers.get_all("Authorization")
        assert read(login, secrets={KEY: SECRET}, server_id="127.0.0.1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["another path", "another port", "another name", "https"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_login_never_follows_a_redirect(
    monkeypatch: pytest.MonkeyPatch, tokens: TokenSource, status: int, to: str, method: str
) -> None:
    def lead(asked: Asked) -> Answer:
        return Answer() if asked.path == "/there" else Answer(status, {"Location": location})

    with server(lambda _: Answer()) as other, server(lead) as running:
        location = {
            "another path": "/there",
            "another port": f"{other.uri}/there",
            "another name": f"http://localhost:{running.port}/there",
            "https": f"https://127.0.0.1:{running.port}/there",
        }[to]
        use(monkeypatch, running.uri)
        with pytest.raises(
            LoginError, match=r"leads elsewhere, and the login never follows: curl -I http://127"
        ):
            requests.request(method, f"{running.uri}/here", auth=RoleAuth(tokens), timeout=5)
        assert [asked.path for asked in running.asked] == ["/here"]
        assert other.asked == []


def test_login_goes_to_no_other_server(monkeypatch: pytest.MonkeyPatch, tokens: TokenSource) -> None:
    """MLflow asks the host of an artifact's address with the login of the tracking server."""
    with server(lambda _: Answer()) as other, server(lambda _: Answer()) as running:
        use(monkeypatch, running.uri)
        for uri in (other.uri, f"http://localhost:{running.port}"):
            with pytest.raises(
                LoginError, match=f"the login is for {running.uri} and is never sent to {uri}"
            ):
                requests.get(f"{uri}/x", auth=RoleAuth(tokens), timeout=5)
        with pytest.raises(MlflowException, match="is never sent to"):
            mlflow.artifacts.download_artifacts(f"{other.uri}/api/2.0/mlflow-artifacts/artifacts/model")
        assert other.asked == []
        assert running.asked == []


def test_address_set_in_the_script_counts(monkeypatch: pytest.MonkeyPatch, tokens: TokenSource) -> None:
    use(monkeypatch, "https://mlflow.example.com")
    with server(lambda _: Answer()) as running:
        mlflow.set_tracking_uri(running.uri)
        requests.get(running.uri, auth=RoleAuth(tokens), timeout=5)
        assert len(logins(running)) == 1


def test_login_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "http://mlflow.example.com")
    with pytest.raises(MlflowException, match="everybody on the way could read it") as refusal:
        mlflow.search_experiments()
    assert "mlflow-aws-v1" not in str(refusal.value)


@pytest.mark.parametrize("status", [401, 403])
def test_servers_own_sentence_reaches_the_person(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with server(lambda _: Answer(status, {"Date": formatdate()}, REFUSED.body)) as running:
        use(monkeypatch, running.uri)
        with pytest.raises(MlflowException) as refusal:
            mlflow.search_experiments()
    assert str(refusal.value) == f"PERMISSION_DENIED: {SENTENCE}"
    assert len(running.asked) == 1, "a refusal is not tried again"


@pytest.mark.parametrize(("off", "side"), [(601, "behind"), (-601, "ahead of")])
def test_clock_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch, off: float, side: str) -> None:
    date = formatdate(time.time() + off)
    with server(lambda _: Answer(401, {"Date": date}, REFUSED.body)) as running:
        use(monkeypatch, running.uri)
        with pytest.raises(
            MlflowException, match=f"clock is 10 minutes {side} the tracking server's: set it: sudo"
        ):
            mlflow.search_experiments()


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 00:00:00 GMT"])
def test_server_without_a_clock_is_believed(monkeypatch: pytest.MonkeyPatch, date: str) -> None:
    with server(lambda _: Answer(401, {"Date": date}, REFUSED.body)) as running:
        use(monkeypatch, running.uri)
        with pytest.raises(MlflowException, match=SENTENCE):
            mlflow.search_experiments()


def test_refused_token_is_made_anew(monkeypatch: pytest.MonkeyPatch, tokens: TokenSource) -> None:
    with server(lambda _: Answer(401)) as running:
        use(monkeypatch, running.uri)
        before = tokens.token("127.0.0.1")
        requests.get(running.uri, auth=RoleAuth(tokens), timeout=5)
        assert tokens.token("127.0.0.1") is not before
