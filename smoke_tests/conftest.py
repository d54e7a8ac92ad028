"""Finds the stack, waits for it and logs the run that the tests read back."""

import os
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from identity import IdentityError, caller_arn
from reachability import UnreachableError, wait_for_server
from smoke_tests.browser import Browser, Login
from smoke_tests.client_process import ClientProcess
from smoke_tests.stack import SettingsError, Stack

EXPERIMENT = "smoke-tests"
TAG = "smoke-test"
SERVER_SECONDS = 60.0
# A smoke test that cannot reach the server must say so while somebody still watches; MLflow would retry
# for four minutes.
RETRIES = "3"
BAD_INPUT = 2
FAILED = 1

STACK = pytest.StashKey[Stack]()
CLIENTS = pytest.StashKey[list[ClientProcess]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Fail once and early, not once per test."""
    config = session.config
    tell = config.get_terminal_writer().line
    try:
        stack = Stack.from_environment(os.environ)
        source = f"profile {os.environ['AWS_PROFILE']}" if "AWS_PROFILE" in os.environ else "the environment"
        caller = caller_arn(boto3.Session(), source=source)
    except (SettingsError, IdentityError) as error:
        pytest.exit(str(error), returncode=BAD_INPUT)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = RETRIES
    os.environ["MLFLOW_TEAM_NOTIFY"] = "off"  # these runs are no news for the team's chat
    try:
        wait_for_server(stack.tracking_uri, ca_bundle=stack.ca_bundle, seconds=SERVER_SECONDS, tell=tell)
    except UnreachableError as error:
        pytest.exit(str(error), returncode=FAILED)
    tell(f"smoke tests of {stack.tracking_uri} as {caller}")
    config.stash[STACK] = stack


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the other clients: they import MLflow, which takes seconds, while the first tests run."""
    config = session.config
    wanted = any("clients" in getattr(item, "fixturenames", ()) for item in session.items)
    config.stash[CLIENTS] = [ClientProcess(), ClientProcess()] if wanted else []
    for client in config.stash[CLIENTS]:
        config.add_cleanup(client.stop)


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """What was logged in the plain MLflow way; `mark` is new in each session, so nothing old is read back."""

    run_id: str
    experiment_id: str
    artifact_uri: str
    mark: str
    losses: tuple[float, ...]
    artifact: bytes

    @property
    def bucket(self) -> str:
        """The artifact bucket."""
        assert self.artifact_uri.startswith("s3://"), f"artifacts do not go to S3: {self.artifact_uri}"
        return urlsplit(self.artifact_uri).netloc

    def key(self, path: str) -> str:
        """Return the S3 key of one of the run's artifacts."""
        return f"{urlsplit(self.artifact_uri).path.lstrip('/')}/{path}"


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Stack:
    return pytestconfig.stash[STACK]


@pytest.fixture(scope="session")
def clients(pytestconfig: pytest.Config) -> list[ClientProcess]:
    return pytestconfig.stash[CLIENTS]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> LoggedRun:
    import mlflow  # noqa: PLC0415 - takes seconds, which a wrong setting must not wait for

    mark = uuid.uuid4().hex
    losses = (0.9, 0.5, 0.25)
    artifact = tmp_path_factory.mktemp("artifact") / "note.txt"
    artifact.write_text(f"smoke test {mark}\n")
    mlflow.set_experiment(EXPERIMENT)
    started = mlflow.start_run(run_name=f"smoke-{mark[:8]}", tags={TAG: mark})
    mlflow.log_param("learning_rate", 0.01)
    for step, loss in enumerate(losses):
        mlflow.log_metric("loss", loss, step=step)
    mlflow.set_tag("colour", "blue")
    mlflow.log_artifact(str(artifact), artifact_path="notes")
    mlflow.end_run()
    return LoggedRun(
        run_id=started.info.run_id,
        experiment_id=started.info.experiment_id,
        artifact_uri=str(started.info.artifact_uri),
        mark=mark,
        losses=losses,
        artifact=artifact.read_bytes(),
    )


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session()


@pytest.fixture(scope="session")
def s3(session: boto3.Session) -> Any:
    return session.client("s3")


@pytest.fixture(scope="session")
def login() -> Login:
    """Return what adds our token to a request, as MLflow finds it."""
    from mlflow.tracking.request_auth.registry import fetch_auth  # noqa: PLC0415 - as above

    found = fetch_auth(os.environ["MLFLOW_TRACKING_AUTH"])
    assert found, "the client package is not installed here: pip install ./client"
    return found


@pytest.fixture(scope="session")
def client(stack: Stack, login: Login) -> Browser:
    """Return plain requests with our token."""
    return Browser(stack.tracking_uri, workspace=stack.team, login=login, ca_bundle=stack.ca_bundle)


@pytest.fixture(scope="session")
def nobody(stack: Stack) -> Browser:
    """Return plain requests without a token."""
    return Browser(stack.tracking_uri, ca_bundle=stack.ca_bundle)
