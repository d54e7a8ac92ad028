from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from drill.instance import DrillError, RefusedError
from drill.names import TAG
from drill.tasks import DrillTasks
from scripts.tests.drill.names import ACCOUNT, LIVE, NAMES
from scripts.tests.stubbed import stubbed

TASK = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/tracking-server-cluster-1a2b3c4/0123456789abcdef"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    monkeypatch.setattr("ecs_task.POLL_SECONDS", 0)
    monkeypatch.setattr("drill.tasks.LOG_SECONDS", 0)
    with stubbed("ecs", "logs") as stubbers:
        yield stubbers


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def tasks(aws: dict[str, Stubber], said: list[str]) -> DrillTasks:
    return DrillTasks(aws["ecs"].client, aws["logs"].client, NAMES, said.append)


def task(status: str, mark: str | None = LIVE, **more: Any) -> dict[str, Any]:
    tags = [] if mark is None else [{"key": TAG, "value": mark}]
    return {"tasks": [{"taskArn": TASK, "lastStatus": status, "tags": tags, **more}]}


def lines(*messages: str) -> dict[str, Any]:
    return {"events": [{"message": message} for message in messages], "nextForwardToken": "f"}


def test_its_progress_is_passed_on_and_its_answer_returned(
    aws: dict[str, Stubber], tasks: DrillTasks, said: list[str]
) -> None:
    aws["ecs"].add_response("run_task", task("PROVISIONING"))
    aws["ecs"].add_response("describe_tasks", task("RUNNING"))
    aws["logs"].add_client_error("get_log_events", "ResourceNotFoundException")
    aws["ecs"].add_response("describe_tasks", task("STOPPED"))
    aws["logs"].add_response(
        "get_log_events", lines("restore-drill: looking", "noise", 'bound: {"bound": 7}')
    )
    assert tasks.run("bound", "bound: ") == {"bound": 7}
    assert said == ["task 0123456789abcdef: bound", "looking"]


def test_one_that_ends_without_an_answer_shows_its_reason_and_log(
    aws: dict[str, Stubber], tasks: DrillTasks
) -> None:
    stopped = task("STOPPED", stoppedReason="OutOfMemory", containers=[{"exitCode": 137}])
    aws["ecs"].add_response("run_task", task("PROVISIONING"))
    aws["ecs"].add_response("describe_tasks", stopped)
    aws["logs"].add_response("get_log_events", lines("compare: no such table"))
    aws["ecs"].add_response("describe_tasks", stopped)
    with pytest.raises(DrillError, match=r"OutOfMemory \(exit codes \[137\]\)\ncompare: no such table"):
        tasks.run("compare", "report: ")


def test_a_task_that_ecs_does_not_start_is_said(aws: dict[str, Stubber], tasks: DrillTasks) -> None:
    aws["ecs"].add_response("run_task", {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]})
    with pytest.raises(DrillError, match="RESOURCE:MEMORY"):
        tasks.run("compare", "report: ")


def test_a_drills_task_is_stopped(aws: dict[str, Stubber], tasks: DrillTasks) -> None:
    aws["ecs"].add_response("describe_tasks", task("RUNNING"))
    asked = {"cluster": NAMES.cluster, "task": TASK, "reason": "left by an interrupted drill"}
    aws["ecs"].add_response("stop_task", {}, asked)
    tasks.stop(TASK)


@pytest.mark.parametrize("mark", [None, "another-stack"])
def test_a_task_without_the_mark_is_not_stopped(
    aws: dict[str, Stubber], tasks: DrillTasks, mark: str | None
) -> None:
    aws["ecs"].add_response("describe_tasks", task("RUNNING", mark))  # a stop would find no answer prepared
    with pytest.raises(RefusedError, match="it was not stopped"):
        tasks.stop(TASK)
