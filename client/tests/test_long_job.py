"""A training job outlives its tokens."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import mlflow
import pytest

from client.tests.conftest import KEY, SECRET
from client.tests.servers import Answer, Asked, Server, server
from client.tests.verifier import read
from mlflow_team import login
from mlflow_team.token import TokenSource

LIFETIME_SECONDS = 3
TOKENS = 4
THREADS = 4
DEADLINE_SECONDS = 30.0
RUN = b'{"run": {"info": {"run_id": "1", "run_uuid": "1", "experiment_id": "1"}, "data": {}}}'


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server that lets in who can be verified, for as long as the token says."""
    monkeypatch.setattr(login, "TOKENS", TokenSource(LIFETIME_SECONDS))

    def answer(asked: Asked) -> Answer:
        question = read(asked.headers["Authorization"], secrets={KEY: SECRET}, server_id="127.0.0.1")
        if time.time() >= question.expires_at:
            return Answer(401, body=b'{"error_code": "UNAUTHENTICATED", "message": "the token has expired"}')
        return Answer(body=RUN if "runs/get" in asked.path else b"{}")

    with server(answer) as running:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", running.uri)
        monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "aws-role")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield running


@pytest.mark.usefixtures("role")
def test_job_that_outlives_three_tokens_never_notices(tracking: Server) -> None:
    client = mlflow.MlflowClient()
    deadline = time.monotonic() + DEADLINE_SECONDS

    def seen() -> set[str]:
        return {asked.headers["Authorization"] for asked in tracking.asked}

    def train(thread: int) -> int:
        logged = 0
        while len(seen()) < TOKENS:
            assert time.monotonic() < deadline, f"{len(seen())} tokens in {DEADLINE_SECONDS:.0f} s"
            client.log_metric("1", f"loss-{thread}", 0.1, step=logged)
            logged += 1
        return logged

    with ThreadPoolExecutor(THREADS) as pool:
        logged = sum(pool.map(train, range(THREADS)))
    assert len([asked for asked in tracking.asked if "log-metric" in asked.path]) == logged
    assert len(seen()) == TOKENS


@pytest.mark.usefixtures("role")
def test_server_of_that_test_refuses_a_token_that_is_not_renewed(
    tracking: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow_team.token.RENEW_AFTER", 1000)
    monkeypatch.setattr(TokenSource, "_usable", lambda self, _: self._token)
    client = mlflow.MlflowClient()
    client.log_metric("1", "loss", 0.1)

    def train() -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            client.log_metric("1", "loss", 0.1)

    with pytest.raises(mlflow.MlflowException, match="the token has expired"):
        train()
