import json
from typing import Any

import pytest

from config_reader import ConfigReader
from teams import NAME, RESERVED, Team, read_teams

ROLE = "arn:aws:iam::111122223333:role/vision"


WRITERS = "teams.vision.writers"


def mend(wrong: str, first: str) -> str:
    return f"rm --path '{wrong}' && pulumi config set --path '{first}' arn:aws:iam::"


def read(teams: Any) -> tuple[dict[str, Team], ConfigReader]:
    config = ConfigReader({"teams": json.dumps(teams)})
    return read_teams(config), config


@pytest.mark.parametrize(
    "principal",
    [
        ROLE,
        "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Data_0a1b",
        "arn:aws:iam::111122223333:user/ci@example.com",
        "arn:aws:iam::111122223333:root",
        "arn:aws-us-gov:iam::111122223333:role/vision",
        "111122223333",
    ],
)
def test_principal_is_taken(principal: str) -> None:
    teams, config = read({"vision": {"writers": [principal]}})
    assert teams == {"vision": Team(writers=(principal,), readers=())}
    assert config.faults == []


def test_account_id_that_became_a_number_is_an_account_id() -> None:
    teams, _ = read({"vision": {"writers": [111122223333]}})
    assert teams["vision"].writers == ("111122223333",)


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        "arn:aws:iam::*:root",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:group/data",
        "arn:aws:sts::111122223333:assumed-role/vision/me",
        "1111",
        1111,
        True,
        None,
        {"AWS": "*"},
        f"{ROLE}\n",
    ],
)
def test_principal_is_refused_with_the_command_that_mends_it(principal: Any) -> None:
    _, config = read({"vision": {"writers": [ROLE], "readers": [principal]}})
    (fault,) = config.faults
    assert fault.key == "teams.vision.readers[0]"
    assert fault.received == ("nothing" if principal is None else json.dumps(principal))
    assert "never *" in fault.allowed
    assert fault.command.startswith("pulumi config set --path 'teams.vision.readers[0]' arn:aws:iam::")


@pytest.mark.parametrize(
    ("teams", "key", "allowed", "command"),
    [
        ({}, "teams", "at least one team", "set --path 'teams.vision.writers[0]'"),
        ([], "teams", "at least one team", mend("teams", "teams.vision.writers[0]")),
        ("vision", "teams", "at least one team", mend("teams", "teams.vision.writers[0]")),
        (None, "teams", "at least one team", "set --path 'teams.vision.writers[0]'"),
        ({"vision": {}}, "teams.vision.writers", "one or more", "set --path 'teams.vision.writers[0]'"),
        ({"vision": {"writers": []}}, WRITERS, "one or more", mend(WRITERS, f"{WRITERS}[0]")),
        ({"vision": {"writers": ROLE}}, WRITERS, "a list", mend(WRITERS, f"{WRITERS}[0]")),
        (
            {"vision": {"writers": [ROLE], "readers": ROLE}},
            "teams.vision.readers",
            "a list",
            mend("teams.vision.readers", "teams.vision.readers[0]"),
        ),
        ({"vision": ROLE}, "teams.vision", "an object", mend("teams.vision", f"{WRITERS}[0]")),
        (
            {"vision": {"writers": [ROLE], "reader": []}},
            "teams.vision.reader",
            "did you mean readers?",
            "rm --path 'teams.vision.reader'",
        ),
        *(
            ({name: {"writers": [ROLE]}}, f"teams.{name}", "2 to 32 of a-z", f"rm --path 'teams.{name}'")
            for name in ("a", "Vision", "1vision", "vision-", "vis_ion", "v" * 33, *RESERVED)
        ),
    ],
)
def test_wrong_team_is_refused_with_the_command_that_mends_it(
    teams: Any, key: str, allowed: str, command: str
) -> None:
    _, config = read(teams)
    (fault,) = config.faults
    assert fault.key == key
    assert allowed in fault.allowed
    assert fault.command.startswith(f"pulumi config {command}")


def test_writers_may_take_the_readers_role_and_nobody_is_named_twice() -> None:
    team = Team(writers=("a", "b"), readers=("b", "c"))
    assert team.who_may_read == ("b", "c", "a")


@pytest.mark.rehearsal
@pytest.mark.parametrize("name", ["vision", "a1", "team-2-vision", "v" * 32])
def test_mlflow_takes_the_names_as_workspaces(name: str) -> None:
    from mlflow.store.workspace.abstract_store import WorkspaceNameValidator  # noqa: PLC0415 - takes seconds

    assert NAME.fullmatch(name)
    WorkspaceNameValidator.validate(name)
    assert set(RESERVED) >= WorkspaceNameValidator._RESERVED


def test_name_that_is_no_plain_word_is_spelt_as_pulumi_spells_it() -> None:
    _, config = read({"my.team": {"writers": [ROLE]}})
    (fault,) = config.faults
    assert (fault.key, fault.command) == (
        'teams["my.team"]',
        """pulumi config rm --path 'teams["my.team"]'""",
    )
