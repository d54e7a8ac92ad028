"""One-off ECS tasks of the drill's task definition: started, watched by their log, stopped."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from drill_names import CONTAINER, PREFIX, TAG, DrillNames
from restored_instance import DrillError, RefusedError

POLL_SECONDS = 3
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
        task = self._start(module, environment)
        self._say(f"task {task.rsplit('/', 1)[1]}: {module}")
        lines = self._watch(task, answer)
        found = [line.removeprefix(answer) for line in lines if line.startswith(answer)]
        if found:
            return dict(json.loads(found[-1]))
        raise DrillError(
            f"task {task} ended without an answer: {self._reason(task)}\n" + "\n".join(lines[-LINES_SHOWN:])
        )

    def leftovers(self) -> list[str]:
        """Return the tasks of drills that still run."""
        found = self._ecs.list_tasks(cluster=self._names.cluster, startedBy=STARTED_BY)["taskArns"]
        return [task for task in found if self._describe(task)["lastStatus"] != "STOPPED"]

    def stop(self, task: str) -> None:
        """Stop a task of a drill.

        Raises:
            RefusedError: it does not bear the drill's tag.
        """
        marks = {tag["key"]: tag["value"] for tag in self._describe(task).get("tags", [])}
        if marks.get(TAG) != self._names.instance:
            raise RefusedError(
                f"task {task} bears {marks.get(TAG)!r} as its tag {TAG}, not {self._names.instance!r}; "
                "it was not stopped"
            )
        self._ecs.stop_task(cluster=self._names.cluster, task=task, reason="left by an interrupted drill")

    def _start(self, module: str, environment: Mapping[str, str]) -> str:
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
        return str(answer["tasks"][0]["taskArn"])

    def _watch(self, task: str, answer: str) -> list[str]:
        """Pass its progress on until it has stopped and its answer has come; return its log."""
        deadline = time.monotonic() + TASK_SECONDS
        last_line = float("inf")
        lines: list[str] = []
        token: str | None = None
        while True:
            stopped = self._describe(task)["lastStatus"] == "STOPPED"
            more, token = self._read(task, token)
            for line in more:
                if line.startswith(PROGRESS):
                    self._say(line.removeprefix(PROGRESS))
            lines += more
            if stopped:
                last_line = min(last_line, time.monotonic() + LOG_SECONDS)
                if any(line.startswith(answer) for line in lines) or time.monotonic() > last_line:
                    return lines
            if time.monotonic() > deadline:
                raise DrillError(f"task {task} still runs after {TASK_SECONDS} s")
            if not more:
                time.sleep(POLL_SECONDS)

    def _read(self, task: str, token: str | None) -> tuple[list[str], str | None]:
        stream = f"{PREFIX}/{CONTAINER}/{task.rsplit('/', 1)[1]}"
        place = {"logGroupName": self._names.log_group, "logStreamName": stream, "startFromHead": True}
        try:
            page = self._logs.get_log_events(**place, **({"nextToken": token} if token else {}))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":  # it has said nothing yet
                return [], token
            raise
        return [event["message"] for event in page["events"]], page["nextForwardToken"]

    def _describe(self, task: str) -> dict[str, Any]:
        found = self._ecs.describe_tasks(cluster=self._names.cluster, tasks=[task], include=["TAGS"])["tasks"]
        # ECS forgets a task an hour after its end.
        return dict(found[0]) if found else {"lastStatus": "STOPPED"}

    def _reason(self, task: str) -> str:
        described = self._describe(task)
        codes = [container.get("exitCode") for container in described.get("containers", [])]
        return f"{described.get('stoppedReason') or 'no reason given'} (exit codes {codes})"
