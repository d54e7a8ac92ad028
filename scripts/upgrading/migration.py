"""The migration, run as a one-off ECS task to its end."""

from collections.abc import Callable
from typing import Any

from ecs_task import EcsTask, TaskError
from upgrading.error import UpgradeError
from upgrading.names import UpgradeNames

CONTAINER = "migration"
COMMAND = ["python", "-m", "tracking_server.migrate"]
CHECK = "--check"
STARTED_BY = "upgrade"
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
        names = self._names
        adopting = [{"name": "ADOPTING_TEAM", "value": adopting_team}] if adopting_team else []
        answer = self._ecs.run_task(
            cluster=names.cluster,
            taskDefinition=names.migration,
            launchType="FARGATE",
            count=1,
            startedBy=STARTED_BY,
            networkConfiguration={"awsvpcConfiguration": names.network},
            overrides={
                "containerOverrides": [{"name": CONTAINER, "command": command, "environment": adopting}]
            },
        )
        if not answer["tasks"]:
            raise UpgradeError(f"ECS started no task of {names.migration}: {answer['failures']}")
        task = EcsTask(
            ecs=self._ecs,
            logs=self._logs,
            cluster=names.cluster,
            log_group=names.log_group,
            container=CONTAINER,
            arn=answer["tasks"][0]["taskArn"],
        )
        self._say(f"task {task.id}: {' '.join(command)}")
        try:
            for line in task.follow(seconds=TASK_SECONDS, log_seconds=LOG_SECONDS):
                self._say(line)
        except TaskError as error:
            raise UpgradeError(str(error)) from None
        stopped = task.describe()
        code = next((container.get("exitCode") for container in stopped.get("containers", [])), None)
        if code not in allowed:
            reason = stopped.get("stoppedReason", "no reason given")
            raise UpgradeError(f"task {task.arn} ended with exit code {code}: {reason}")
        return int(code)
