from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from scripts.tests.stubbed import stubbed
from scripts.tests.upgrading.names import NAMES
from upgrading.error import UpgradeError
from upgrading.service import UpgradedService

ASKED = {"cluster": NAMES.cluster, "service": NAMES.service}
TASK = f"{NAMES.cluster.replace('cluster/', 'task/')}/0123456789abcdef"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    monkeypatch.setattr("upgrading.service.POLL_SECONDS", 0)
    with stubbed("ecs", "application-autoscaling") as stubbers:
        yield stubbers


@pytest.fixture
def service(aws: dict[str, Stubber]) -> UpgradedService:
    return UpgradedService(
        aws["ecs"].client, aws["application-autoscaling"].client, NAMES, lambda _line: None
    )


def described(running: int, desired: int, deployments: int = 1, **more: Any) -> dict[str, Any]:
    found = {"runningCount": running, "desiredCount": desired, "deployments": [{}] * deployments}
    return {"services": [{"status": "ACTIVE", **found, **more}]}


def suspension(*, suspended: bool) -> dict[str, Any]:
    kinds = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": NAMES.resource_id,
        "ScalableDimension": "ecs:service:DesiredCount",
        "SuspendedState": dict.fromkeys(kinds, suspended),
    }


def listed(ecs: Stubber, *statuses: str) -> None:
    """Let ECS end the one task: it is listed among the running, then among the stopped."""
    for status in statuses:
        for kind in ("RUNNING", "STOPPED"):
            here = (status == "RUNNING") == (kind == "RUNNING")
            ecs.add_response("list_tasks", {"taskArns": [TASK] if here else []})
            if here:
                ecs.add_response("describe_tasks", {"tasks": [{"lastStatus": status}]})


def test_a_pause_suspends_scaling_first_and_waits_for_the_end_of_what_drains(
    aws: dict[str, Stubber], service: UpgradedService
) -> None:
    aws["application-autoscaling"].add_response("register_scalable_target", {}, suspension(suspended=True))
    aws["ecs"].add_response("update_service", {}, {**ASKED, "desiredCount": 0})
    listed(aws["ecs"], "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING")
    service.pause()


def test_tasks_that_do_not_end_are_told(
    aws: dict[str, Stubber], service: UpgradedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upgrading.service.STOP_SECONDS", -1)
    aws["application-autoscaling"].add_response("register_scalable_target", {})
    aws["ecs"].add_response("update_service", {})
    listed(aws["ecs"], "RUNNING")
    with pytest.raises(UpgradeError, match="1 tasks have not ended"):
        service.pause()


def test_autoscaling_has_the_service_again_once_its_tasks_run(
    aws: dict[str, Stubber], service: UpgradedService
) -> None:
    aws["ecs"].add_response("update_service", {}, {**ASKED, "desiredCount": 2})
    for running in (0, 1, 2):
        aws["ecs"].add_response("describe_services", described(running, 2))
    aws["application-autoscaling"].add_response("register_scalable_target", {}, suspension(suspended=False))
    service.resume(2)


def test_tasks_that_do_not_start_are_told_in_ecs_words_and_the_pause_goes_on(
    aws: dict[str, Stubber], service: UpgradedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upgrading.service.START_SECONDS", -1)
    aws["ecs"].add_response("update_service", {}, {**ASKED, "desiredCount": 2})
    aws["ecs"].add_response(
        "describe_services", described(0, 2, events=[{"message": "unable to pull secrets"}])
    )
    aws["ecs"].add_response("update_service", {}, {**ASKED, "desiredCount": 0})
    with pytest.raises(UpgradeError, match="0 of 2 tasks run: unable to pull secrets"):
        service.resume(2)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (described(2, 2), None),
        (described(0, 0), None),
        (described(1, 2), "runs 1 of 2 tasks in 1 deployments: wait until it is steady"),
        (described(2, 2, deployments=2), "runs 2 of 2 tasks in 2 deployments: wait"),
        (described(0, 0, status="INACTIVE"), "is INACTIVE: pulumi up"),
    ],
)
def test_what_is_not_steady_is_not_upgraded(
    aws: dict[str, Stubber], service: UpgradedService, found: dict[str, Any], fault: str | None
) -> None:
    aws["ecs"].add_response("describe_services", found)
    said = service.fault()
    assert said is None if fault is None else fault in str(said)


def test_a_service_that_is_gone_is_told(aws: dict[str, Stubber], service: UpgradedService) -> None:
    aws["ecs"].add_response("describe_services", {"services": []})
    with pytest.raises(UpgradeError, match="there is no service"):
        service.tasks()
