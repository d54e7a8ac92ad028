"""The tracking server's ECS service: paused while its tables are migrated, and started again."""

import time
from collections.abc import Callable
from typing import Any

from upgrading.error import UpgradeError
from upgrading.names import UpgradeNames

POLL_SECONDS = 2
# The load balancer's deregistration delay, then the container's stopTimeout; twice both.
STOP_SECONDS = 300
# Fargate's start, `prepare` and the health check's start period.
START_SECONDS = 900
TELL_SECONDS = 15
PROCESSES_ENDED = {"DEPROVISIONING", "STOPPED"}
PAGE = 100  # tasks that ECS describes at once
SCALED = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


class UpgradedService:
    """Pauses and starts it; its own task definition is Pulumi's business."""

    def __init__(self, ecs: Any, scaling: Any, names: UpgradeNames, say: Callable[[str], None]) -> None:
        self._ecs = ecs
        self._scaling = scaling
        self._names = names
        self._say = say

    def tasks(self) -> int:
        """Return how many tasks it shall have; 0 while it is paused."""
        return int(self._described()["desiredCount"])

    def image(self) -> str:
        """Return the image that its tasks run."""
        definition = self._ecs.describe_task_definition(taskDefinition=self._described()["taskDefinition"])
        return str(definition["taskDefinition"]["containerDefinitions"][-1]["image"])

    def fault(self) -> str | None:
        """Say why an upgrade cannot begin with it as it is, or None."""
        found = self._described()
        if found["status"] != "ACTIVE":
            return f"the service {self._names.service} is {found['status']}: pulumi up"
        if len(found["deployments"]) > 1 or found["runningCount"] != found["desiredCount"]:
            return (
                f"the service {self._names.service} runs {found['runningCount']} of {found['desiredCount']} "
                f"tasks in {len(found['deployments'])} deployments: wait until it is steady"
            )
        return None

    def pause(self) -> None:
        """End all tasks, and let nothing start new ones.

        Raises:
            UpgradeError: they do not end.
        """
        # The metrics of the minutes before would start tasks again.
        self._suspend_scaling(suspended=True)
        self._want(0)

        def reason() -> str | None:
            alive = [task for task in self._all_tasks() if task["lastStatus"] not in PROCESSES_ENDED]
            return f"{len(alive)} tasks have not ended" if alive else None

        self._wait(reason, STOP_SECONDS)

    def resume(self, tasks: int) -> None:
        """Start so many tasks, wait until they run, and let autoscaling have them again.

        Raises:
            UpgradeError: they do not start; carries ECS's own words. It is paused then, as before.
        """
        self._want(tasks)

        def reason() -> str | None:
            found = self._described()
            if found["runningCount"] == tasks and len(found["deployments"]) == 1:
                return None
            events = "; ".join(event["message"] for event in found.get("events", [])[:2])
            return f"{found['runningCount']} of {tasks} tasks run: {events}"

        try:
            self._wait(reason, START_SECONDS)
        except UpgradeError:
            self._want(0)
            raise
        self._suspend_scaling(suspended=False)

    def _described(self) -> dict[str, Any]:
        asked = {"cluster": self._names.cluster, "services": [self._names.service]}
        found = self._ecs.describe_services(**asked)["services"]
        if not found:
            raise UpgradeError(f"there is no service {self._names.service} in {self._names.cluster}")
        return dict(found[0])

    def _want(self, tasks: int) -> None:
        self._ecs.update_service(cluster=self._names.cluster, service=self._names.service, desiredCount=tasks)

    def _all_tasks(self) -> list[dict[str, Any]]:
        """Describe its tasks, those that ECS is ending too."""
        asked = {"cluster": self._names.cluster, "serviceName": self._names.service}
        lists = self._ecs.get_paginator("list_tasks")
        return [
            task
            for status in ("RUNNING", "STOPPED")
            for page in lists.paginate(**asked, desiredStatus=status, PaginationConfig={"PageSize": PAGE})
            if page["taskArns"]
            for task in self._ecs.describe_tasks(cluster=self._names.cluster, tasks=page["taskArns"])["tasks"]
        ]

    def _suspend_scaling(self, *, suspended: bool) -> None:
        self._scaling.register_scalable_target(
            **SCALED,
            ResourceId=self._names.resource_id,
            SuspendedState=dict.fromkeys(SUSPENSIONS, suspended),
        )

    def _wait(self, reason: Callable[[], str | None], seconds: float) -> None:
        begun = told_at = time.monotonic()
        while why := reason():
            now = time.monotonic()
            if now - begun > seconds:
                raise UpgradeError(f"after {seconds:.0f} s {why}")
            if now - told_at > TELL_SECONDS:
                self._say(f"{why} ({now - begun:.0f} s)")
                told_at = now
            time.sleep(POLL_SECONDS)
