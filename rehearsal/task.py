"""The task as ECS would start it: the containers of the registered task definition, in order."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from graphlib import TopologicalSorter
from typing import Any, NoReturn, Protocol, Self

from rehearsal.credentials import TaskRole, assume
from rehearsal.deployment import DeploymentError
from rehearsal.emulator import Emulator
from rehearsal.processes import NotReadyError, wait_until
from rehearsal.unrehearsed import UnrehearsedError

# Fargate gives an image 120 s to start unless the container says otherwise.
START_SECONDS = 120.0
# ECS's own, when the container names none.
STOP_SECONDS = 30.0
# Each check is a process; more often, and it would slow the start it waits for.
HEALTH_POLL_SECONDS = 0.5
WATCH_SECONDS = 0.5
# What of a container definition is done here, or is for what runs it; anything else stops the rehearsal.
REHEARSED = {
    "name", "command", "environment", "secrets", "essential", "dependsOn", "healthCheck", "startTimeout",
    "stopTimeout",
}  # fmt: skip
# Of the task's definition or a container's.
FOR_RUNTIME = {
    "image", "user", "readonlyRootFilesystem", "linuxParameters", "mountPoints", "volumes",
    "portMappings", "logConfiguration", "cpu", "memory", "runtimePlatform",
}  # fmt: skip
# What the emulator adds to a description although nobody declared it.
EMPTY_IN_DESCRIPTIONS = {"volumesFrom", "systemControls"}


class TaskError(RuntimeError):
    """A container of the task failed."""


class TaskContainer(Protocol):
    """One container that was started, whatever runs it; entering it starts it."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        ...

    def end_of_log(self) -> str:
        """Return the last lines of its log."""
        ...

    def wait_ready(self, check: Callable[[], str | None], *, seconds: float, poll: float) -> None:
        """Poll `check` until it returns None; NotReadyError when that does not happen."""
        ...

    def stop(self, seconds: float) -> None:
        """End it with its stop signal, and after `seconds` by force."""
        ...

    def reason_unhealthy(self, check: Mapping[str, Any]) -> str | None:
        """Return why it does not pass the registered health check, or None."""
        ...


class Runtime:
    """What runs containers: plain processes, or Docker.

    Attributes:
        environment: what every container sees before its own: the image's ENV lines, and where AWS is.
        shows: what of FOR_RUNTIME it puts into effect.
        published: port of a container to port on this machine's loopback.
    """

    environment: Mapping[str, str]
    shows: frozenset[str]
    published: Mapping[int, int]

    def container(self, container: Mapping[str, Any], environment: dict[str, str]) -> TaskContainer:
        """Return a registered container with its whole environment, not yet started."""
        raise NotImplementedError


class Task:
    """Starts the containers of one registered task definition in their declared order.

    The registered environment is never edited: below it lies only what an image or the ECS agent brings, and
    a name that stands in both is an error.

    Attributes:
        started: by container name.
    """

    def __init__(  # noqa: D417
        self,
        emulator: Emulator,
        definition: Mapping[str, Any],
        *,
        runtime: Runtime,
        role: TaskRole,
        say: Callable[[str], None],
    ) -> None:
        """Refuse what cannot be started, before anything is.

        Args:
            definition: as ECS describes it, never as it was declared.

        Raises:
            UnrehearsedError: a container declares what nothing here reads.
        """
        self._emulator = emulator
        self._definition = definition
        self._runtime = runtime
        self._base = {**runtime.environment, **role.environment}
        self._say = say
        self._stack = ExitStack()
        self.started: dict[str, TaskContainer] = {}
        self._containers = {c["name"]: c for c in self._definition["containerDefinitions"]}
        for container in self._containers.values():
            self._refuse_the_unknown(container)

    def __enter__(self) -> Self:
        try:
            for container in self._in_order():
                self._start(container)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def watch(self) -> NoReturn:
        """Wait until an essential container ends, with which ECS would end the task.

        Raises:
            TaskError: it has ended.
        """
        while True:
            for name, started in self.started.items():
                if self._containers[name].get("essential", True) and started.exit_code() is not None:
                    raise _ended(name, started)
            time.sleep(WATCH_SECONDS)

    def restart(self, name: str) -> None:
        """Start a container anew that has ended, where it was; the others stay as they are.

        Raises:
            TaskError: it did not become healthy.
        """
        container, started = self._containers[name], self.started[name]
        started.stop(0)
        started.__enter__()
        if "healthCheck" in container:
            self._await_healthy(container["healthCheck"], started)

    def check_port(self, container: str, port: int) -> None:
        """Hold the load balancer's target against the container's port mappings, as ECS does.

        Raises:
            DeploymentError: the container is not there or does not map the port.
        """
        mapped = [m["containerPort"] for m in self._containers.get(container, {}).get("portMappings", [])]
        if port not in mapped:
            raise DeploymentError(f"the service forwards to {container}:{port}, which maps {mapped}")

    def not_rehearsed(self) -> str:
        """Name what the definition declares and its runtime cannot show."""
        parts = (self._definition, *self._containers.values())
        declared = {key for part in parts for key, value in part.items() if value}
        without_effect = sorted((declared & FOR_RUNTIME) - self._runtime.shows)
        return f"declared of the task without effect here: {', '.join(without_effect)}"

    def _refuse_the_unknown(self, container: dict[str, Any]) -> None:
        known = REHEARSED | FOR_RUNTIME
        unknown = {
            k for k, v in container.items() if k not in known and not (k in EMPTY_IN_DESCRIPTIONS and not v)
        }
        if unknown:
            raise UnrehearsedError(
                f"container {container['name']} declares {sorted(unknown)}, which nothing here reads"
            )

    def _in_order(self) -> list[dict[str, Any]]:
        waits_for = {
            name: [d["containerName"] for d in container.get("dependsOn", [])]
            for name, container in self._containers.items()
        }
        return [self._containers[name] for name in TopologicalSorter(waits_for).static_order()]

    def _start(self, container: dict[str, Any]) -> None:
        for dependency in container.get("dependsOn", []):
            self._await(dependency)
        name = container["name"]
        self._say(f"{name}: {' '.join(container['command'])}")
        started = self._runtime.container(container, self.environment_of(name))
        self.started[name] = self._stack.enter_context(started)
        self._stack.callback(started.stop, float(container.get("stopTimeout", STOP_SECONDS)))
        if "healthCheck" in container:
            self._await_healthy(container["healthCheck"], started)

    def _await(self, dependency: dict[str, str]) -> None:
        if dependency["condition"] != "SUCCESS":
            raise UnrehearsedError(
                f"dependsOn condition {dependency['condition']}: only SUCCESS is rehearsed"
            )
        name = dependency["containerName"]
        started = self.started[name]
        seconds = float(self._containers[name].get("startTimeout", START_SECONDS))
        wait_until(
            lambda: "is still at work" if started.exit_code() is None else None, what=name, seconds=seconds
        )
        if started.exit_code() != 0:
            raise _ended(name, started)

    def environment_of(self, name: str) -> dict[str, str]:
        """Return what a container sees; holds secrets where the definition references them."""
        container = self._containers[name]
        registered = {pair["name"]: pair["value"] for pair in container.get("environment", [])}
        references = {pair["name"]: pair["valueFrom"] for pair in container.get("secrets", [])}
        twice = (registered.keys() & references.keys()) | (
            self._base.keys() & (registered.keys() | references.keys())
        )
        if twice:
            raise UnrehearsedError(
                f"container {name} has {sorted(twice)} twice: registered, or from image or agent"
            )
        return self._base | registered | {k: self._secret(reference) for k, reference in references.items()}

    def _secret(self, reference: str) -> str:
        """Resolve `arn:…:secret:name:key:stage:version` with the execution role, as the ECS agent does."""
        parts = reference.split(":")
        secret_arn, json_key = ":".join(parts[:7]), [*parts[7:], ""][0]
        if any(parts[8:]):
            raise UnrehearsedError(f"secret reference {reference}: stages and versions are not rehearsed")
        execution_role = assume(self._emulator, self._definition["executionRoleArn"])
        value = self._emulator.client("secretsmanager", **execution_role).get_secret_value(
            SecretId=secret_arn
        )
        return str(json.loads(value["SecretString"])[json_key] if json_key else value["SecretString"])

    @staticmethod
    def _await_healthy(check: Mapping[str, Any], started: TaskContainer) -> None:
        kind = check["command"][0]
        if kind != "CMD":
            raise UnrehearsedError(f"health check of kind {kind}: only CMD is rehearsed")
        # ECS counts failures only after the start period; here the whole of it may be used up once.
        seconds = float(check.get("startPeriod", 0)) + float(check["interval"]) * int(check["retries"])
        try:
            started.wait_ready(
                lambda: started.reason_unhealthy(check), seconds=seconds, poll=HEALTH_POLL_SECONDS
            )
        except NotReadyError as error:
            raise TaskError(str(error)) from None


def _ended(name: str, started: TaskContainer) -> TaskError:
    return TaskError(f"{name} ended with exit code {started.exit_code()}\n{started.end_of_log()}")
