"""Which workspace a request works in, and which ones a caller sees."""

import json

import pytest

from server.tests.requests_to_mlflow import ADMIN, LISTED, READER, WRITER, ask, refused
from server.tracking_server.caller import Caller


@pytest.mark.parametrize(
    "named",
    [
        [b"speech"],
        [b"nowhere"],
        [b"default"],
        [b""],
        [b" vision"],
        [b"Vision"],
        [b"vision,speech"],
        [b"vision", b"speech"],
        [b"speech", b"vision"],
        [b"vision\x00"],
        [b"v%69sion"],
        [b"\xff"],
    ],
)
def test_another_workspace_is_refused_alike_whether_it_exists_or_not(named: list[bytes]) -> None:
    for name in (b"x-mlflow-workspace", b"X-MLFLOW-WORKSPACE"):
        for method, path in (("GET", "/get"), ("POST", "/create"), ("GET", "/"), ("GET", "/workspaces")):
            seen = ask(method, path, WRITER, *((name, value) for value in named))
            message = refused(seen, 403)
            assert message == (
                "This login is team vision's, and the request names another: unset MLFLOW_WORKSPACE"
            )


@pytest.mark.parametrize(("method", "path"), [("GET", "/get"), ("POST", "/create"), ("GET", "/")])
def test_an_admin_works_in_the_team_it_names(method: str, path: str) -> None:
    seen = ask(method, path, ADMIN, (b"x-mlflow-workspace", b"speech"))
    assert seen.handed_on == [(b"x-mlflow-workspace", b"speech")]
    assert seen.callers == [ADMIN]


@pytest.mark.parametrize(
    "named",
    [
        [],
        [b"default"],
        [b"vision", b"speech"],
        # MLflow strips these, the bytes of Latin-1 too, and takes nothing for `default`.
        [b""],
        [b" "],
        [b"\xa0"],
        [b"default\xa0"],
        [b"\x85default"],
        [b"vision\x1f"],
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/get"), ("POST", "/create")])
def test_an_admin_that_names_no_team_is_told_to(method: str, path: str, named: list[bytes]) -> None:
    seen = ask(method, path, ADMIN, *((b"x-mlflow-workspace", value) for value in named))
    assert refused(seen, 403).endswith("export MLFLOW_WORKSPACE=<team>")


@pytest.mark.parametrize("path", ["/", "/workspaces"])
def test_an_admin_needs_no_team_for_page_and_list(path: str) -> None:
    assert ask("GET", path, ADMIN, answer=(200, LISTED)).handed_on == []


@pytest.mark.parametrize(
    ("caller", "names"), [(WRITER, ["vision"]), (READER, ["vision"]), (ADMIN, ["speech", "vision"])]
)
def test_the_list_of_workspaces_shows_what_the_caller_may_enter(caller: Caller, names: list[str]) -> None:
    seen = ask("GET", "/workspaces", caller, answer=(200, LISTED))
    assert [one["name"] for one in json.loads(seen.body)["workspaces"]] == names
    assert seen.headers == {b"content-length": str(len(seen.body)).encode()}


@pytest.mark.parametrize("answer", [(500, b"no database"), (200, b"")])
def test_an_answer_without_a_list_is_passed_on(answer: tuple[int, bytes]) -> None:
    seen = ask("GET", "/workspaces", WRITER, answer=answer)
    assert (seen.status, seen.body) == answer


@pytest.mark.parametrize("name", ["speech", "nowhere", "default"])
def test_another_workspace_answers_by_name_as_one_that_is_not_there(name: str) -> None:
    for caller in (WRITER, READER):
        seen = ask("GET", f"/workspaces/{name}", caller)
        assert refused(seen, 404) == f"Workspace '{name}' not found"
        assert json.loads(seen.body)["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_by_name_a_team_sees_its_own_workspace_and_an_admin_all_but_default() -> None:
    assert ask("GET", "/workspaces/vision", READER).status == 200
    assert ask("GET", "/workspaces/speech", ADMIN).status == 200
    assert refused(ask("GET", "/workspaces/default", ADMIN), 404) == "Workspace 'default' not found"


@pytest.mark.parametrize("caller", [READER, WRITER, ADMIN])
def test_clients_neither_make_nor_change_nor_delete_workspaces(caller: Caller) -> None:
    for method, path in (
        ("POST", "/workspaces"),
        ("PATCH", "/workspaces/vision"),
        ("DELETE", "/workspaces/vision"),
        ("DELETE", "/workspaces/nowhere"),
    ):
        assert refused(ask(method, path, caller), 403) == (
            "Workspaces are the stack's teams: change `teams`, then: pulumi up"
        )
