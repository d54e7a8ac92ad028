"""The login from end to end: roles assumed at the emulator's STS, its signatures, SSM's list."""

import json
import urllib.parse
from typing import Any

import pytest

from server.tests.conftest import SERVER_ID, World
from server.tests.served import Server
from server.tests.tokens import decoded, encoded

pytestmark = pytest.mark.rehearsal

CREATE = "/api/2.0/mlflow/experiments/create"
SEARCH = "/api/2.0/mlflow/experiments/search"


def ask(server: Server, token: str, path: str = SEARCH, **headers: str) -> tuple[int, dict[str, Any]]:
    status, text = server.ask(path, {"max_results": 10}, Authorization=f"Bearer {token}", **headers)
    return status, json.loads(text)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (("vision-writer", SEARCH, ""), 200),
        (("vision-writer", SEARCH, "vision"), 200),
        (("vision-writer", SEARCH, "speech"), 403),
        (("vision-writer", SEARCH, "nowhere"), 403),
        (("vision-reader", SEARCH, ""), 200),
        (("vision-reader", CREATE, ""), 403),
        (("platform", SEARCH, ""), 403),
        (("platform", SEARCH, "vision"), 200),
        (("platform", SEARCH, "default"), 403),
        (("platform", SEARCH, "nowhere"), 404),
        (("stranger-role", SEARCH, ""), 403),
    ],
)
def test_a_role_may_what_the_list_says(
    server: Server, world: World, asked: tuple[str, str, str], status: int
) -> None:
    role, path, workspace = asked
    headers = {"X-MLFLOW-WORKSPACE": workspace} if workspace else {}
    assert ask(server, world.token(role), path, **headers)[0] == status


def test_a_token_for_another_server_is_worthless_here(server: Server, world: World) -> None:
    token = world.token("vision-writer", server_id="mlflow.other.example")
    status, refusal = ask(server, token)
    assert status == 401
    assert refusal["message"].endswith(f"export MLFLOW_TRACKING_URI=https://{SERVER_ID}")
    status, refusal = ask(server, token, Host="mlflow.other.example")
    assert status == 401
    assert "made for mlflow.other.example, and this server is mlflow.example.com" in refusal["message"]


def test_a_changed_signature_is_worthless(server: Server, world: World) -> None:
    url = decoded(world.token("vision-writer"))
    other = url[:-1] + ("0" if url[-1] != "0" else "1")
    assert ask(server, encoded(other))[0] == 401


def test_the_workspaces_that_a_caller_sees_are_its_own(server: Server, world: World) -> None:
    path = "/api/3.0/mlflow/workspaces"
    seen = {}
    for role in ("vision-writer", "platform"):
        _, text = server.ask(path, Authorization=f"Bearer {world.token(role)}")
        seen[role] = [one["name"] for one in json.loads(text)["workspaces"]]
    assert seen == {"vision-writer": ["vision"], "platform": ["speech", "vision"]}
    token = world.token("vision-writer")
    answers = [
        server.ask(f"{path}/{name}", Authorization=f"Bearer {token}") for name in ("speech", "nowhere")
    ]
    assert answers[0][0] == answers[1][0] == 404
    assert answers[0][1].replace("speech", "nowhere") == answers[1][1]
    platform = world.token("platform")
    _, mlflows = server.ask(f"{path}/nowhere", Authorization=f"Bearer {platform}")
    assert json.loads(mlflows).items() >= json.loads(answers[1][1]).items()


@pytest.mark.parametrize("path", ["/", "/static-files/x.js", SEARCH, "/metrics", "/graphql"])
def test_without_a_login_there_is_nothing_but_health_and_version(server: Server, path: str) -> None:
    status, text = server.ask(path, Authorization="")
    assert status == 401
    assert json.loads(text)["error_code"] == "UNAUTHENTICATED"
    assert server.ask("/health", Authorization="")[0] == server.ask("/version", Authorization="")[0] == 200


def test_the_log_says_who_wrote_and_who_was_refused_and_never_a_token(server: Server, world: World) -> None:
    writer, reader = world.token("vision-writer"), world.token("vision-reader")
    server.ask(CREATE, {"name": "audited"}, Authorization=f"Bearer {writer}")
    server.ask(CREATE, {"name": "refused"}, Authorization=f"Bearer {reader}")
    server.ask(SEARCH, {"max_results": 1}, Authorization=f"Bearer {reader}xxx")
    log = server.process.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    route = "POST /mlflow/experiments/create"
    for what, level, status in (("write", "writer", 200), ("refused", "reader", 403)):
        wanted = {
            "audit": what,
            "who": "ada",
            "role": f"vision-{level}",
            "team": "vision",
            "level": level,
            "route": route,
            "status": status,
        }
        assert [line for line in lines if line.items() >= wanted.items()]
    assert [line for line in lines if line["audit"] == "not let in"]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(decoded(writer)).query)
    secrets = (writer, reader, writer[40:80], query["X-Amz-Signature"][0], query["X-Amz-Security-Token"][0])
    assert not [secret for secret in secrets if secret in log]
    assert "X-Amz" not in log
