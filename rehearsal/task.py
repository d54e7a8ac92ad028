"""The task as ECS would start it: the containers of the registered task definition, as processes."""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NoReturn, Self

from rehearsal.credentials import TaskRole, assume
from rehearsal.deployment import DeploymentError
from rehearsal.emulator import Emulator
from rehearsal.processes import NotReadyError, Process, wait_until
from rehearsal.unrehearsed import UnrehearsedError

# Fargate gives an image 120 s to start unless the container says otherwise.
START_SECONDS = 120.0
# ECS's own, when the container names none.
STOP_SECONDS = 30.0
# Each check is a process; more often, and it would slow the start it waits for.
HEALTH_POLL_SECONDS = 0.5
WATCH_SECONDS = 0.5
# What of a container definition is done here; anything in neither set stops the rehearsal.
REHEARSED = {
    "name", "command", "environment", "secrets", "essential", "dependsOn", "healthCheck", "startTimeout",
    "stopTimeout",
}  # fmt: skip
# Of the task's definition or a container's; the plain process that runs has no use for it.
NOT_REHEARSED = {
    "image", "user", "readonlyRootFilesystem", "linuxParameters", "mountPoints", "volumes",
    "portMappings", "logConfiguration", "cpu", "memory", "runtimePlatform",
}  # fmt: skip
# What the emulator adds to a description although nobody declared it.
EMPTY_IN_DESCRIPTIONS = {"volumesFrom", "systemControls"}


class TaskError(RuntimeError):
    """A container of the task failed."""


class Task:
    """Starts the containers of one registered task definition in their declared order.

    The registered environment is never edited: below it lies only what an image or the ECS agent brings, and
    a name that stands in both is an error.
    """

    def __init__(  # noqa: D417
        self,
        emulator: Emulator,
        definition: Mapping[str, Any],
        *,
        image_environment: Mapping[str, str],
        role: TaskRole,
        logs: Path,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        """Refuse what cannot be started, before anything is.

        Args:
            definition: as ECS describes it, never as it was declared.
            image_environment: what the image's own ENV lines would give, and where AWS is.
            folder: the working directory of the containers.

        Raises:
            UnrehearsedError: a container declares what nothing here reads.
        """
        self._emulator = emulator
        self._definition = definition
        self._base = dict(image_environment) | role.environment
        self._logs = logs
        self._folder = folder
        self._say = say
        self._stack = ExitStack()
        self._processes: dict[str, Process] = {}
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
            for name, process in self._processes.items():
                if self._containers[name].get("essential", True) and process.exit_code() is not None:
                    raise TaskError(
                        f"{name} ended with exit code {process.exit_code()}\n{process.end_of_log()}"
                    )
            time.sleep(WATCH_SECONDS)

    def check_port(self, container: str, port: int) -> None:
        """Hold the load balancer's target against the container's port mappings, as ECS does.

        Raises:
            DeploymentError: the container is not there or does not map the port.
        """
        mapped = [m["containerPort"] for m in self._containers.get(container, {}).get("portMappings", [])]
        if port not in mapped:
            raise DeploymentError(f"the service forwards to {container}:{port}, which maps {mapped}")

    def not_rehearsed(self) -> str:
        """Name what the definition declares and no process can show."""
        parts = (self._definition, *self._containers.values())
        declared = {key for part in parts for key, value in part.items() if value}
        return (
            "container image: this checkout's server runs as a plain process, no image is pulled; without "
            f"effect: {', '.join(sorted(declared & NOT_REHEARSED))}"
        )

    def _refuse_the_unknown(self, container: dict[str, Any]) -> None:
        known = REHEARSED | NOT_REHEARSED
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
        process = Process(
            name,
            container["command"],
            environment=self.environment_of(name),
            log=self._logs / f"{name}.log",
            cwd=self._folder,
        )
        self._processes[name] = process
        self._stack.enter_context(process)
        self._stack.callback(process.stop, float(container.get("stopTimeout", STOP_SECONDS)))
        if "healthCheck" in container:
            self._await_healthy(container, process)

    def _await(self, dependency: dict[str, str]) -> None:
        if dependency["condition"] != "SUCCESS":
            raise UnrehearsedError(
                f"dependsOn condition {dependency['condition']}: only SUCCESS is rehearsed"
            )
        name = dependency["containerName"]
        process = self._processes[name]
        seconds = float(self._containers[name].get("startTimeout", START_SECONDS))
        wait_until(
            lambda: "is still at work" if process.exit_code() is None else None, what=name, seconds=seconds
        )
        if process.exit_code() != 0:
            raise TaskError(f"{name} ended with exit code {process.exit_code()}\n{process.end_of_log()}")

    def environment_of(self, name: str) -> dict[str, str]:
        """Return what a container's process sees; holds secrets where the definition references them."""
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

    def _await_healthy(self, container: dict[str, Any], process: Process) -> None:
        check = container["healthCheck"]
        kind, *command = check["command"]
        if kind != "CMD":
            raise UnrehearsedError(f"health check of kind {kind}: only CMD is rehearsed")
        environment = self.environment_of(container["name"])
        log = self._logs / f"{container['name']}-health.log"

        def reason() -> str | None:
            with Process(
                "health check", command, environment=environment, log=log, cwd=self._folder
            ) as probe:
                code = probe.wait(float(check["timeout"]))
            return None if code == 0 else f"health check exits {code}: {probe.end_of_log().splitlines()[-1:]}"

        # ECS counts failures only after the start period; here the whole of it may be used up once.
        seconds = float(check.get("startPeriod", 0)) + float(check["interval"]) * int(check["retries"])
        try:
            process.wait_ready(reason, seconds=seconds, poll=HEALTH_POLL_SECONDS)
        except NotReadyError as error:
            raise TaskError(str(error)) from None


def interpreter_path(environment_folder: Path) -> str:
    """Return the PATH of an image whose `python` is the one of a virtual environment."""
    return os.pathsep.join([str(environment_folder / "bin"), "/usr/bin", "/bin"])
