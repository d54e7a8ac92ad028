"""The ECS agent for one-off tasks: starts what RunTask asked for, sends its log, says how it ended."""

import contextlib
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from rehearsal.credentials import TaskRole
from rehearsal.processes import free_port
from rehearsal.stack import RehearsedStack
from rehearsal.task import Task
from rehearsal.unrehearsed import UnrehearsedError

POLL_SECONDS = 0.3
OVERRIDES = {"name", "command", "environment"}


class EcsAgent:
    """Runs the one-off tasks of a running stack's cluster as plain processes, while the context is open.

    Attributes:
        failures: what went wrong here, which nobody who waits for a task could know.
    """

    def __init__(self, stack: RehearsedStack, cluster: str) -> None:
        self._stack = stack
        self._cluster = cluster
        self._ecs = stack.emulator.client("ecs")
        self._logs = stack.emulator.client("logs")
        self._end = threading.Event()
        self._seen: set[str] = set()
        self._running = ExitStack()
        self._threads: list[threading.Thread] = []
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._start(self._look_for_tasks)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._running.close()

    def _start(self, target: Any, *arguments: Any) -> None:
        def run() -> None:
            try:
                target(*arguments)
            except Exception as error:  # noqa: BLE001 - said by the test that waits in vain
                self.failures.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=run, name="ecs-agent", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _look_for_tasks(self) -> None:
        while not self._end.wait(POLL_SECONDS):
            for arn in set(self._ecs.list_tasks(cluster=self._cluster)["taskArns"]) - self._seen:
                self._seen.add(arn)
                (task,) = self._ecs.describe_tasks(cluster=self._cluster, tasks=[arn])["tasks"]
                if not str(task.get("group", "")).startswith("service:"):
                    self._start(self._run, task)

    def _run(self, asked: Mapping[str, Any]) -> None:
        described = self._ecs.describe_task_definition(taskDefinition=asked["taskDefinitionArn"])
        definition = overridden(described["taskDefinition"], asked["overrides"])
        (container,) = definition["containerDefinitions"]
        folder = self._stack.logs / asked["taskArn"].rsplit("/", 1)[1]
        folder.mkdir()
        log = _Log(self._logs, container, folder)
        runtime = self._stack.plain_containers(free_port(), folder)
        with Task(
            self._stack.emulator,
            definition,
            runtime=runtime,
            role=self._role(definition["taskRoleArn"]),
            say=lambda _: None,
        ) as task:
            started = task.started[container["name"]]
            while (code := started.exit_code()) is None and not self._end.is_set() and self._wanted(asked):
                log.send()
                time.sleep(POLL_SECONDS)
        log.send()
        if code is not None:
            self._ecs.submit_task_state_change(
                cluster=self._cluster,
                task=asked["taskArn"],
                status="STOPPED",
                reason="Essential container in task exited",
                containers=[{"containerName": container["name"], "exitCode": code, "status": "STOPPED"}],
            )

    def _wanted(self, asked: Mapping[str, Any]) -> bool:
        (task,) = self._ecs.describe_tasks(cluster=self._cluster, tasks=[asked["taskArn"]])["tasks"]
        return task["desiredStatus"] == "RUNNING"

    def _role(self, arn: str) -> TaskRole:
        roles = self._stack.roles
        if arn not in roles:
            roles[arn] = self._running.enter_context(TaskRole(self._stack.emulator, arn))
        return roles[arn]


class _Log:
    """The awslogs driver: a container's log, line by line, into the stream that its definition names."""

    def __init__(self, logs: Any, container: Mapping[str, Any], folder: Path) -> None:
        options = container["logConfiguration"]["options"]
        self._logs = logs
        self._file = folder / f"{container['name']}.log"
        self._sent = 0
        self._place = {
            "logGroupName": options["awslogs-group"],
            "logStreamName": f"{options['awslogs-stream-prefix']}/{container['name']}/{folder.name}",
        }
        logs.create_log_stream(**self._place)

    def send(self) -> None:
        """Send the whole lines that came since."""
        with contextlib.suppress(FileNotFoundError):
            *lines, _ = self._file.read_text(errors="replace").split("\n")
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": line} for line in lines[self._sent :] if line]
            self._sent = len(lines)
            if events:
                self._logs.put_log_events(**self._place, logEvents=events)


def overridden(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task definition as RunTask's overrides make it, for one task.

    Raises:
        UnrehearsedError: an override that nothing here reads.
    """
    by_name = {one["name"]: one for one in overrides.get("containerOverrides", [])}
    unread = {key for one in by_name.values() for key in one} - OVERRIDES
    if unread or any(value for key, value in overrides.items() if key != "containerOverrides" and value):
        raise UnrehearsedError(f"overrides {dict(overrides)}: command and environment are rehearsed")
    containers = []
    for container in definition["containerDefinitions"]:
        override = by_name.get(container["name"], {})
        environment = {one["name"]: one["value"] for one in container.get("environment", [])}
        environment |= {one["name"]: one["value"] for one in override.get("environment", [])}
        containers.append(
            {
                **container,
                "command": override.get("command") or container["command"],
                "environment": [{"name": name, "value": value} for name, value in environment.items()],
            }
        )
    return {**definition, "containerDefinitions": containers}
