import json
from typing import Any

import pytest

from config_reader import ConfigReader
from teams import NAME, RESERVED, Team, read_teams

ROLE = "arn:aws:iam::111122223333:role/vision"
JOBS = "arn:aws:iam::111122223333:role/jobs/vision-training"
NOON = "2026-11-23T12:00:00Z"
WRITERS = "teams.vision.writers"


def mend(wrong: str, first: str) -> str:
    return f"rm --path '{wrong}' && pulumi config set --path '{first}' arn:aws:iam::"


def read(teams: Any) -> tuple[dict[str, Team], ConfigReader]:
    config = ConfigReader({"teams": json.dumps(teams)})
    return read_teams(config), config


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
        (
            {"vision": {"writers": [ROLE], "notbefore": NOON}},
            "teams.vision.notbefore",
            "did you mean notBefore? a team has writers, readers, members, dataBuckets or notBefore",
            "rm --path 'teams.vision.notbefore'",
        ),
        (
            {"vision": {"writers": [ROLE], "members": JOBS}},
            "teams.vision.members",
            "a list",
            mend("teams.vision.members", "teams.vision.members[0]"),
        ),
        (
            {"vision": {"writers": [ROLE], "dataBuckets": ["images"]}},
            "teams.vision.dataBuckets",
            "an object: {<bucket>: read or read-write}",
            "rm --path 'teams.vision.dataBuckets' && pulumi config set --path 'teams.vision.dataBuckets.my-",
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


def only_fault(**fields: Any) -> tuple[str, str, str, str]:
    _, config = read({"vision": {"writers": [ROLE], **fields}})
    (fault,) = config.faults
    return fault.key, fault.received, fault.allowed, fault.command


def test_team_may_list_members_data_buckets_and_a_time() -> None:
    buckets = {"vision-images": "read", "labels.example.com": "read-write", "111122223333": "read"}
    fields = {"writers": [ROLE], "members": [JOBS], "dataBuckets": buckets, "notBefore": NOON}
    teams, config = read({"vision": fields})
    assert config.faults == []
    assert teams["vision"] == Team(
        writers=(ROLE,), readers=(), members=(JOBS,), data_buckets=buckets, not_before=NOON
    )
    assert list(teams["vision"].data_buckets) == sorted(buckets)


@pytest.mark.parametrize(
    "member",
    [
        JOBS,
        "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole-20261123T120000",
        "arn:aws:iam::444455556666:role/a+b=c,d.e@f-g_h",
        "arn:aws-cn:iam::111122223333:role/" + "r" * 64,
    ],
)
def test_member_is_taken(member: str) -> None:
    teams, config = read({"vision": {"writers": [ROLE], "members": [member]}})
    assert (teams["vision"].members, config.faults) == ((member,), [])


@pytest.mark.parametrize(
    "member",
    [
        "*",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:role/jobs/",
        "arn:aws:iam::111122223333:role//training",
        "arn:aws:iam::111122223333:role/" + "r" * 65,
        "arn:aws:iam::*:role/training",
        "arn:aws:iam:eu-west-1:111122223333:role/training",
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:user/ci",
        "arn:aws:sts::111122223333:assumed-role/training/job-1",
        "111122223333",
        111122223333,
        None,
        {"AWS": "*"},
        f"{JOBS}\n",
        f" {JOBS}",
    ],
)
def test_member_that_is_no_role_is_refused_with_the_command_that_mends_it(member: Any) -> None:
    key, received, allowed, command = only_fault(members=[member])
    assert key == "teams.vision.members[0]"
    assert received == ("nothing" if member is None else json.dumps(member))
    assert allowed == "the ARN of one IAM role, no user, session or account; never *"
    assert command.startswith("pulumi config set --path 'teams.vision.members[0]' arn:aws:iam::")


@pytest.mark.parametrize(
    "again", [JOBS, JOBS.replace("jobs/", "elsewhere/"), JOBS.replace("vision", "Vision")]
)
def test_role_is_a_member_of_one_team_whatever_path_or_case_it_is_written_in(again: str) -> None:
    teams = {
        "vision": {"writers": [ROLE], "members": [ROLE, again]},
        "speech": {"writers": [ROLE], "members": [JOBS]},
    }
    _, config = read(teams)
    (fault,) = config.faults
    assert fault.key == "teams.vision.members[1]"
    assert fault.received == json.dumps(again)
    assert fault.allowed == "a role that is a member once; this one is teams.speech.members[0] too"
    assert fault.command == "pulumi config rm --path 'teams.vision.members[1]'"


def test_role_is_a_member_of_its_team_once() -> None:
    key, _, allowed, _ = only_fault(members=[JOBS, JOBS])
    assert (key, allowed) == (
        "teams.vision.members[1]",
        "a role that is a member once; this one is teams.vision.members[0] too",
    )


@pytest.mark.parametrize(
    "other",
    [
        JOBS.replace("1111", "9999"),
        JOBS.replace("arn:aws:", "arn:aws-cn:"),
        JOBS.replace("training", "tests"),
    ],
)
def test_another_account_partition_or_name_is_another_role(other: str) -> None:
    _, config = read(
        {"vision": {"writers": [ROLE], "members": [JOBS]}, "speech": {"writers": [ROLE], "members": [other]}}
    )
    assert config.faults == []


def test_time_without_quotes_is_the_time_that_pulumi_makes_of_it() -> None:
    teams, config = read({"vision": {"writers": [ROLE], "notBefore": "2026-11-23 12:00:00 +0000 UTC"}})
    assert (teams["vision"].not_before, config.faults) == (NOON, [])


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-23T12:00:00",
        "2026-11-23T12:00:00+01:00",
        "2026-11-23T12:00:00.5Z",
        "2026-11-23 12:00:00 +0100 CET",
        "2026-11-23",
        "2026-13-23T12:00:00Z",
        "2026-11-23T25:00:00Z",
        "now",
        "",
        1763899200,
        True,
        None,
        [NOON],
    ],
)
def test_time_that_is_not_utc_to_the_second_is_refused(time: Any) -> None:
    assert only_fault(notBefore=time) == (
        "teams.vision.notBefore",
        "nothing" if time is None else json.dumps(time),
        f"a time in UTC, to the second and with its Z, such as {NOON}",
        f"pulumi config set --path 'teams.vision.notBefore' {NOON}",
    )
