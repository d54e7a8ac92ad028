from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from scripts.tests.stubbed import stubbed
from scripts.tests.upgrading.names import NAMES, NETWORK
from upgrading.error import UpgradeError
from upgrading.migration import MigrationTask

TASK = f"{NAMES.cluster.replace('cluster/', 'task/')}/0123456789abcdef"
MIGRATE = ["python", "-m", "tracking_server.migrate"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    monkeypatch.setattr("ecs_task.POLL_SECONDS", 0)
    monkeypatch.setattr("upgrading.migration.LOG_SECONDS", 0)
    with stubbed("ecs", "logs") as stubbers:
        yield stubbers


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def migration(aws: dict[str, Stubber], said: list[str]) -> MigrationTask:
    return MigrationTask(aws["ecs"].client, aws["logs"].client, NAMES, said.append)


def run(aws: dict[str, Stubber], command: list[str], code: int | None, *adopting: dict[str, str]) -> None:
    """Let ECS run the task to an exit code."""
    ecs, logs = aws["ecs"], aws["logs"]
    override = {"name": "migration", "command": command, "environment": list(adopting)}
    asked = {
        "cluster": NAMES.cluster,
        "taskDefinition": NAMES.migration,
        "launchType": "FARGATE",
        "count": 1,
        "startedBy": "upgrade",
        "networkConfiguration": {"awsvpcConfiguration": NETWORK},
        "overrides": {"containerOverrides": [override]},
    }
    ecs.add_response("run_task", {"tasks": [{"taskArn": TASK}]}, asked)
    ecs.add_response("describe_tasks", {"tasks": [{"lastStatus": "PENDING"}]})
    logs.add_client_error("get_log_events", "ResourceNotFoundException")
    container: dict[str, Any] = {} if code is None else {"exitCode": code}
    stopped = {"lastStatus": "STOPPED", "stoppedReason": "it ended", "containers": [container]}
    ecs.add_response("describe_tasks", {"tasks": [stopped]})
    logs.add_response(
        "get_log_events",
        {"events": [{"message": "migrate: Running upgrade"}], "nextForwardToken": "f"},
        {
            "logGroupName": NAMES.log_group,
            "logStreamName": "task/migration/0123456789abcdef",
            "startFromHead": True,
        },
    )
    ecs.add_response("describe_tasks", {"tasks": [stopped]})  # for the exit code


def test_what_it_says_is_passed_on(
    aws: dict[str, Stubber], migration: MigrationTask, said: list[str]
) -> None:
    run(aws, MIGRATE, 0)
    migration.run(None)
    assert said == ["task 0123456789abcdef: python -m tracking_server.migrate", "migrate: Running upgrade"]


@pytest.mark.parametrize(("code", "to_do"), [(0, False), (4, True)])
def test_it_looks_without_migrating(
    aws: dict[str, Stubber],
    migration: MigrationTask,
    code: int,
    to_do: bool,  # noqa: FBT001
) -> None:
    run(aws, [*MIGRATE, "--check"], code)
    assert migration.is_to_do(None) is to_do


def test_the_team_that_adopts_is_told_to_it(aws: dict[str, Stubber], migration: MigrationTask) -> None:
    run(aws, MIGRATE, 0, {"name": "ADOPTING_TEAM", "value": "vision"})
    migration.run("vision")


@pytest.mark.parametrize("code", [1, 4, None])
def test_another_end_is_a_failure_with_its_reason(
    aws: dict[str, Stubber], migration: MigrationTask, code: int | None
) -> None:
    run(aws, MIGRATE, code)
    with pytest.raises(UpgradeError, match=f"ended with exit code {code}: it ended"):
        migration.run(None)


def test_a_task_that_ecs_does_not_start_is_told(aws: dict[str, Stubber], migration: MigrationTask) -> None:
    aws["ecs"].add_response("run_task", {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]})
    with pytest.raises(UpgradeError, match="RESOURCE:MEMORY"):
        migration.run(None)
