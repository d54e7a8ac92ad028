"""Without a token nothing answers; with ours, the server knows who we are and shows our team's work alone."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from mlflow.tracking import MlflowClient

from identity import caller_arn
from smoke_tests.browser import Browser, Login
from smoke_tests.conftest import LoggedRun
from smoke_tests.stack import Stack

ANOTHER_SERVER = "https://another-server.example/"
OPEN = ("health", "version", "ready")
SEARCH = "2.0/mlflow/experiments/search?max_results=1"
CLOSED = [
    "",
    "static-files/index.html",
    f"api/{SEARCH}",
    f"ajax-api/{SEARCH}",
    "api/3.0/mlflow/workspaces",
    "ajax-api/3.0/mlflow/workspaces",
    "api/3.0/mlflow/server-info",
    "ajax-api/3.0/mlflow/server-info",
    "graphql",
    "get-artifact?run_uuid=0&path=model.pt",
    "model-versions/get-artifact?name=model&version=1&path=model.pt",
    "api/2.0/mlflow-artifacts/artifacts",
    "v1/traces",
    "health/",
    "no-such-path",
]
EXPERIMENTS = "ajax-api/2.0/mlflow/experiments/search"
WORKSPACES = "ajax-api/3.0/mlflow/workspaces"


def _refused(answer: requests.Response, status: int, error_code: str) -> None:
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["error_code"] == error_code
    assert said["message"]


@pytest.mark.parametrize("path", OPEN)
def test_what_monitoring_asks_is_open(path: str, nobody: Browser) -> None:
    assert nobody.get(path).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", CLOSED)
def test_without_a_token_nothing_answers(path: str, method: str, nobody: Browser) -> None:
    _refused(nobody.send(method, path), 401, "UNAUTHENTICATED")


def _signed(login: Login, url: str) -> str:
    """Return what the client would send to a server."""
    prepared = login(requests.Request("GET", url).prepare())
    return str(prepared.headers["Authorization"])


def _changed(token: str, old: str, new: str) -> str:
    """Return a token whose URL differs in one place."""
    scheme, _, text = token.partition("mlflow-aws-v1.")
    url = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    assert old in url
    changed = base64.urlsafe_b64encode(url.replace(old, new, 1).encode()).decode()
    return f"{scheme}mlflow-aws-v1.{changed.rstrip('=')}"


BROKEN: dict[str, Callable[[str], str]] = {
    "nonsense": lambda _: "Bearer nonsense",
    "our prefix and nonsense": lambda _: "Bearer mlflow-aws-v1.nonsense",
    "not a bearer": lambda token: token.replace("Bearer", "Basic"),
    "cut short": lambda token: token[:-20],
    "another signature": lambda token: _changed(token, "X-Amz-Signature=", "X-Amz-Signature=0"),
    "another action": lambda token: _changed(token, "GetCallerIdentity", "GetSessionToken"),
    "another host": lambda token: _changed(token, "https://", "https://sts.foreign.example@"),
    "a parameter twice": lambda token: _changed(
        token, "Action=GetCallerIdentity", "Action=GetCallerIdentity&Action=GetCallerIdentity"
    ),
    "the server's name not signed": lambda token: _changed(token, "%3Bx-mlflow-server-id", ""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_token_is_refused(how: str, stack: Stack, login: Login, nobody: Browser) -> None:
    sound = _signed(login, f"{stack.tracking_uri}/")
    assert nobody.get(EXPERIMENTS, {"Authorization": sound}, max_results="1").status_code == 200
    _refused(
        nobody.get(EXPERIMENTS, {"Authorization": BROKEN[how](sound)}, max_results="1"),
        401,
        "UNAUTHENTICATED",
    )


def test_token_for_another_server_is_refused(
    login: Login, nobody: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client signs for the server that it is set to, and for no other.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ANOTHER_SERVER)
    theirs = _signed(login, ANOTHER_SERVER)
    _refused(nobody.get(EXPERIMENTS, {"Authorization": theirs}, max_results="1"), 401, "UNAUTHENTICATED")


def test_token_in_the_address_is_none(stack: Stack, login: Login, nobody: Browser) -> None:
    """It would stand in every log on the way."""
    token = _signed(login, f"{stack.tracking_uri}/").removeprefix("Bearer ")
    for name in ("Authorization", "access_token", "token"):
        assert nobody.send("GET", EXPERIMENTS, params={name: token}).status_code == 401


@pytest.mark.parametrize(
    "named",
    [
        pytest.param("{other}", id="the other team's"),
        pytest.param("default", id="default"),
        pytest.param("no-such-team", id="none that exists"),
        pytest.param("{own} ", id="ours and a space"),
        pytest.param("{own},{other}", id="two in one"),
    ],
)
def test_another_workspace_is_refused(named: str, stack: Stack, client: Browser) -> None:
    header = {"X-MLFLOW-WORKSPACE": named.format(own=stack.team, other=stack.other_team)}
    answer = client.post(EXPERIMENTS, {"max_results": 1}, header)
    if named == "{own} ":
        # HTTP has no space at a header's end: what arrives is ours.
        assert answer.status_code == 200, answer.text
        return
    _refused(answer, 403, "PERMISSION_DENIED")


def test_other_teams_refusal_tells_nothing_of_it(stack: Stack, client: Browser) -> None:
    def said(team: str) -> tuple[int, str]:
        answer = client.post(EXPERIMENTS, {"max_results": 1}, {"X-MLFLOW-WORKSPACE": team})
        return answer.status_code, answer.text.replace(team, "NAME")

    assert said(stack.other_team) == said(f"no-such-team-{uuid.uuid4().hex[:8]}")


def test_only_our_own_workspace_is_listed(stack: Stack, client: Browser) -> None:
    answer = client.get(WORKSPACES)
    assert answer.status_code == 200, answer.text
    assert [each["name"] for each in answer.json()["workspaces"]] == [stack.team]


def test_another_workspace_by_name_is_one_that_does_not_exist(stack: Stack, client: Browser) -> None:
    def said(team: str) -> tuple[int, str]:
        answer = client.get(f"{WORKSPACES}/{team}")
        return answer.status_code, answer.text.replace(team, "NAME")

    assert client.get(f"{WORKSPACES}/{stack.team}").status_code == 200
    status, text = said(stack.other_team)
    assert (status, text) == said(f"no-such-team-{uuid.uuid4().hex[:8]}") == said("default")
    assert status == 404


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_workspaces_are_not_made_changed_or_deleted(method: str, stack: Stack, client: Browser) -> None:
    path = WORKSPACES if method == "POST" else f"{WORKSPACES}/{stack.team}"
    _refused(client.send(method, path, json={"name": "mine"}), 403, "PERMISSION_DENIED")


def test_run_belongs_to_the_session_and_not_to_what_the_client_says(
    run: LoggedRun, client: Browser, session: Any
) -> None:
    name = caller_arn(session, source="the client's credentials").rsplit("/", 1)[1]
    told = MlflowClient().get_run(run.run_id)
    assert (told.info.user_id, told.data.tags["mlflow.user"]) == (name, name)
    answer = client.post(
        "api/2.0/mlflow/runs/create",
        {
            "experiment_id": run.experiment_id,
            "user_id": "somebody-else",
            "tags": [{"key": "mlflow.user", "value": "somebody-else"}],
        },
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()["run"]
    tags = {tag["key"]: tag["value"] for tag in made["data"]["tags"]}
    assert (made["info"]["user_id"], tags["mlflow.user"]) == (name, name)
    client.post("api/2.0/mlflow/runs/delete", {"run_id": made["info"]["run_id"]})
