"""The migration, run as a one-off ECS task to its end."""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from upgrade_error import UpgradeError
from upgrade_names import UpgradeNames

CONTAINER = "migration"
STREAMS = "task"  # how the log streams' names begin
COMMAND = ["python", "-m", "tracking_server.migrate"]
CHECK = "--check"
STARTED_BY = "upgrade"
POLL_SECONDS = 1
# MLflow's migrations rewrite whole tables; on hundreds of GiB they take hours.
TASK_SECONDS = 12 * 3600
# The last lines of a log may come after the end of the task.
LOG_SECONDS = 5
DONE, TO_DO = 0, 4  # exit codes of tracking_server.migrate


class MigrationTask:
    """Starts it from its newest task definition, and passes on what it says."""

    def __init__(self, ecs: Any, logs: Any, names: UpgradeNames, say: Callable[[str], None]) -> None:
        self._ecs = ecs
        self._logs = logs
        self._names = names
        self._say = say

    def image(self) -> str:
        """Return the image that it runs."""
        definition = self._ecs.describe_task_definition(taskDefinition=self._names.migration)
        return str(definition["taskDefinition"]["containerDefinitions"][0]["image"])

    def is_to_do(self, adopting_team: str | None) -> bool:
        """Look whether there is anything to migrate, while servers run; change nothing.

        Raises:
            UpgradeError: it could not look.
        """
        return self._run([*COMMAND, CHECK], adopting_team, (DONE, TO_DO)) == TO_DO

    def run(self, adopting_team: str | None) -> None:
        """Migrate.

        Raises:
            UpgradeError: it did not come to its end; what it began is undone.
        """
        self._run(COMMAND, adopting_team, (DONE,))

    def _run(self, command: list[str], adopting_team: str | None, allowed: tuple[int, ...]) -> int:
        adopting = [{"name": "ADOPTING_TEAM", "value": adopting_team}] if adopting_team else []
        answer = self._ecs.run_task(
            cluster=self._names.cluster,
            taskDefinition=self._names.migration,
            launchType="FARGATE",
            count=1,
            startedBy=STARTED_BY,
            networkConfiguration={"awsvpcConfiguration": self._names.network},
            overrides={
                "containerOverrides": [{"name": CONTAINER, "command": command, "environment": adopting}]
            },
        )
        if not answer["tasks"]:
            raise UpgradeError(f"ECS started no task of {self._names.migration}: {answer['failures']}")
        task = str(answer["tasks"][0]["taskArn"])
        self._say(f"task {task.rsplit('/', 1)[1]}: {' '.join(command)}")
        stopped = self._watch(task)
        code = next((container.get("exitCode") for container in stopped["containers"]), None)
        if code not in allowed:
            raise UpgradeError(
                f"task {task} ended with exit code {code}: {stopped.get('stoppedReason', 'no reason given')}"
            )
        return int(code)

    def _watch(self, task: str) -> dict[str, Any]:
        """Pass on what it says until it has stopped; return its description."""
        deadline = time.monotonic() + TASK_SECONDS
        ended: float | None = None
        token: str | None = None
        while True:
            (described,) = self._ecs.describe_tasks(cluster=self._names.cluster, tasks=[task])["tasks"]
            lines, token = self._read(task, token)
            for line in lines:
                self._say(line)
            now = time.monotonic()
            if described["lastStatus"] == "STOPPED":
                ended = ended or now
                if now - ended >= LOG_SECONDS:
                    return dict(described)
            elif now > deadline:
                raise UpgradeError(f"task {task} still runs after {TASK_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def _read(self, task: str, token: str | None) -> tuple[list[str], str | None]:
        stream = f"{STREAMS}/{CONTAINER}/{task.rsplit('/', 1)[1]}"
        place = {"logGroupName": self._names.log_group, "logStreamName": stream, "startFromHead": True}
        try:
            page = self._logs.get_log_events(**place, **({"nextToken": token} if token else {}))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":  # it has said nothing yet
                return [], token
            raise
        return [event["message"] for event in page["events"]], page["nextForwardToken"]
