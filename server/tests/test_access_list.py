import json
from datetime import UTC, datetime

import pytest

from rehearsal.processes import free_port
from server.tracking_server.access_list import AccessList, load, parse
from server.tracking_server.caller import Caller, Level
from server.tracking_server.errors import AccessListError
from server.tracking_server.identity import Identity, Role
from server.tracking_server.refusal import Refusal

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC).timestamp()
NOON = "2026-11-23T12:00:00Z"


def arn(name: str, account: str = "123456789012") -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def team(name: str, **changes: object) -> dict[str, str]:
    entry = {"writers": [arn(f"{name}-writer")], "readers": [arn(f"{name}-reader")]} | changes
    return {f"teams/{name}": json.dumps(entry)}


def admitted(
    listed: AccessList,
    role: str,
    account: str = "123456789012",
    partition: str = "aws",
    signed_at: float = NOW,
) -> Caller | Refusal:
    who = Identity(role=Role(partition=partition, account=account, name=role), session="ada")
    return listed.admit(who, signed_at, NOW)


def rule(listed: AccessList, role: str, **asked: object) -> str:
    refusal = admitted(listed, role, **asked)  # type: ignore[arg-type]
    assert isinstance(refusal, Refusal), refusal
    assert refusal.status == 403
    return refusal.rule


LISTED = parse(team("vision") | team("speech") | {"admins": json.dumps({"admins": [arn("platform")]})})


@pytest.mark.parametrize(
    ("role", "of", "level"),
    [
        ("vision-writer", "vision", Level.WRITER),
        ("vision-reader", "vision", Level.READER),
        ("speech-writer", "speech", Level.WRITER),
        ("platform", None, Level.ADMIN),
    ],
)
def test_a_listed_role_is_its_teams_at_its_level(role: str, of: str | None, level: Level) -> None:
    assert admitted(LISTED, role) == Caller(name="ada", team=of, level=level)
    assert LISTED.faults == ()
    assert LISTED.teams.keys() == {"vision", "speech"}


@pytest.mark.parametrize(
    "asked",
    [{"account": "210987654321"}, {"partition": "aws-cn"}, {"partition": "aws-us-gov"}],
)
def test_a_role_of_the_same_name_elsewhere_is_a_stranger(asked: dict[str, str]) -> None:
    assert rule(LISTED, "vision-writer", **asked) == "role not of this stack"


def test_a_stranger_is_told_its_role_and_account_and_no_teams_name() -> None:
    refusal = admitted(LISTED, "quant", account="210987654321")
    assert isinstance(refusal, Refusal)
    assert "Role quant of account 210987654321 is in no team" in refusal.message
    assert "teams.<team>" in refusal.message
    assert "vision" not in refusal.message


@pytest.mark.parametrize(
    "more",
    [
        team("robots", writers=[arn("vision-writer")]),
        team("robots", writers=[arn("a/path/vision-writer")]),
        team("robots", readers=[arn("vision-writer")]),
        team("vision", readers=[arn("vision-writer")]),
        {"admins": json.dumps({"admins": [arn("vision-writer")]})},
    ],
)
def test_a_role_listed_for_two_teams_or_levels_is_let_in_nowhere(more: dict[str, str]) -> None:
    listed = parse(team("vision") | team("speech") | more)
    assert rule(listed, "vision-writer") == "role listed twice"
    assert ["vision-writer" in fault for fault in listed.faults] == [True]
    assert isinstance(admitted(listed, "speech-writer"), Caller)


def test_a_role_listed_twice_alike_is_let_in() -> None:
    listed = parse(team("vision", writers=[arn("vision-writer"), arn("vision-writer")]))
    assert isinstance(admitted(listed, "vision-writer"), Caller)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"writers"',
        json.dumps({"writers": []}),
        json.dumps({"writers": [], "readers": [], "owners": []}),
        json.dumps({"writers": {}, "readers": []}),
        json.dumps({"writers": "arn", "readers": []}),
        json.dumps({"writers": [7], "readers": []}),
        json.dumps({"writers": ["*"], "readers": []}),
        json.dumps({"writers": [arn("vision-writer"), "x"], "readers": []}),
        json.dumps({"writers": [arn("vision-writer")], "readers": [], "notBefore": "tomorrow"}),
        json.dumps({"writers": [arn("vision-writer")], "readers": [], "notBefore": 0}),
        json.dumps({"writers": [arn("vision-writer")], "readers": [], "notBefore": None}),
    ],
)
def test_a_parameter_that_cannot_be_read_shuts_its_team_only_and_is_said(text: str) -> None:
    listed = parse(team("speech") | {"teams/vision": text})
    assert rule(listed, "vision-writer") == "role not of this stack"
    assert listed.teams.keys() == {"speech"}
    assert isinstance(admitted(listed, "speech-writer"), Caller)
    (fault,) = listed.faults
    assert fault.startswith("the access list's parameter 'teams/vision' lets nobody in: ")


@pytest.mark.parametrize(
    "name", ["teams/default", "teams/Vision", "teams/vision/more", "vision", "teams", "admin"]
)
def test_a_parameter_of_another_name_lets_nobody_in(name: str) -> None:
    listed = parse({name: team("vision")["teams/vision"]} | team("speech"))
    assert rule(listed, "vision-writer") == "role not of this stack"
    assert len(listed.faults) == 1


def test_admins_that_cannot_be_read_are_none() -> None:
    listed = parse(team("vision") | {"admins": json.dumps({"admins": [arn("platform")], "writers": []})})
    assert rule(listed, "platform") == "role not of this stack"
    assert isinstance(admitted(listed, "vision-writer"), Caller)


def test_an_empty_list_lets_nobody_in_and_is_said() -> None:
    assert parse({}).faults
    assert rule(parse({}), "vision-writer") == "role not of this stack"


def test_logins_made_before_a_teams_time_are_refused_and_later_ones_not() -> None:
    listed = parse(team("vision", notBefore=NOON) | team("speech"))
    assert rule(listed, "vision-writer", signed_at=NOW - 1) == "before notBefore"
    assert isinstance(admitted(listed, "vision-writer", signed_at=NOW), Caller)
    assert isinstance(admitted(listed, "speech-writer", signed_at=NOW - 1), Caller)


def test_a_time_to_come_shuts_the_team_until_then_whatever_a_clients_clock_says() -> None:
    listed = parse(team("vision", notBefore="2026-11-23T12:01:00Z"))
    assert rule(listed, "vision-reader", signed_at=NOW) == "before notBefore"
    assert rule(listed, "vision-writer", signed_at=NOW + 120) == "before notBefore"
    refusal = admitted(listed, "vision-writer")
    assert isinstance(refusal, Refusal)
    assert "Team vision is shut to logins made before 2026-11-23 12:01:00 UTC" in refusal.message


def test_a_list_that_cannot_be_read_is_one_sentence_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(AccessListError, match=r"^the access list /a/b/access cannot be read: .*: pulumi up$"):
        load("/a/b/access", "eu-west-1")
