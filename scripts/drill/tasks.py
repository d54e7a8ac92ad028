"""One-off ECS tasks of the drill's task definition: started, followed, stopped."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from drill.instance import DrillError, RefusedError
from drill.names import CONTAINER, TAG, DrillNames
from ecs_task import EcsTask, TaskError

# A comparison reads every table of both databases once.
TASK_SECONDS = 4 * 3600
STARTED_BY = "restore-drill"
PROGRESS = "restore-drill: "
LINES_SHOWN = 15
# The last lines of a log may come after the end of the task.
LOG_SECONDS = 30


class DrillTasks:
    """Runs tasks one after another."""

    def __init__(self, ecs: Any, logs: Any, names: DrillNames, say: Callable[[str], None]) -> None:
        self._ecs = ecs
        self._logs = logs
        self._names = names
        self._say = say

    def run(self, module: str, answer: str, **environment: str) -> dict[str, Any]:
        """Run a program of the image to its end and return what it answered, whatever its exit code.

        Args:
            module: of `tracking_server`.
            answer: what the line with the answer, a JSON object, begins with.
            environment: what the program is told besides what is registered.

        Raises:
            DrillError: it did not start, or ended without an answer; carries the end of its log.
        """
        lines: list[str] = []
        task = self._start(module, environment)
        self._say(f"task {task.id}: {module}")
        try:
            for line in task.follow(seconds=TASK_SECONDS, log_seconds=LOG_SECONDS, last=answer):
                if line.startswith(PROGRESS):
                    self._say(line.removeprefix(PROGRESS))
                lines.append(line)
        except TaskError as error:
            raise DrillError(str(error)) from None
        found = [line.removeprefix(answer) for line in lines if line.startswith(answer)]
        if found:
            return dict(json.loads(found[-1]))
        raise DrillError(
            f"task {task.arn} ended without an answer: {_reason(task.describe())}\n"
            + "\n".join(lines[-LINES_SHOWN:])
        )

    def leftovers(self) -> list[str]:
        """Return the tasks of drills that still run."""
        found = self._ecs.list_tasks(cluster=self._names.cluster, startedBy=STARTED_BY)["taskArns"]
        return [task for task in found if self._task(task).describe()["lastStatus"] != "STOPPED"]

    def stop(self, task: str) -> None:
        """Stop a task of a drill.

        Raises:
            RefusedError: it does not bear the drill's tag.
        """
        marks = {tag["key"]: tag["value"] for tag in self._task(task).describe().get("tags", [])}
        if marks.get(TAG) != self._names.instance:
            raise RefusedError(
                f"task {task} bears {marks.get(TAG)!r} as its tag {TAG}, not {self._names.instance!r}; "
                "it was not stopped"
            )
        self._ecs.stop_task(cluster=self._names.cluster, task=task, reason="left by an interrupted drill")

    def _start(self, module: str, environment: Mapping[str, str]) -> EcsTask:
        names = self._names
        override = {
            "name": CONTAINER,
            "command": ["python", "-m", f"tracking_server.{module}"],
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
        }
        answer = self._ecs.run_task(
            cluster=names.cluster,
            taskDefinition=names.task_definition,
            launchType="FARGATE",
            count=1,
            startedBy=STARTED_BY,
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(names.subnets),
                    "securityGroups": [names.security_group],
                    "assignPublicIp": "ENABLED" if names.public_ip else "DISABLED",
                }
            },
            overrides={"containerOverrides": [override]},
            tags=[{"key": TAG, "value": names.instance}],
        )
        if not answer["tasks"]:
            raise DrillError(f"ECS started no task: {answer['failures']}")
        return self._task(answer["tasks"][0]["taskArn"])

    def _task(self, arn: str) -> EcsTask:
        return EcsTask(
            ecs=self._ecs,
            logs=self._logs,
            cluster=self._names.cluster,
            log_group=self._names.log_group,
            container=CONTAINER,
            arn=arn,
        )


def _reason(described: dict[str, Any]) -> str:
    codes = [container.get("exitCode") for container in described.get("containers", [])]
    return f"{described.get('stoppedReason') or 'no reason given'} (exit codes {codes})"
