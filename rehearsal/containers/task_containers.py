"""A task's containers in Docker, as Fargate would run them: all that is registered about them holds."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from docker.types import Mount

from rehearsal.containers.container import Container
from rehearsal.containers.docker import Docker
from rehearsal.containers.task_network import TaskNetwork
from rehearsal.task import Runtime
from rehearsal.unrehearsed import UnrehearsedError

NANOSECONDS = 1_000_000_000
# Where the image keeps the authorities of databases; the rehearsal's own take their place.
AUTHORITIES = "PGSSLROOTCERT"


class TaskContainers(Runtime):
    """Runs each registered container in Docker, in the network and with the volumes of their task."""

    shows = frozenset(
        {
            "image", "user", "readonlyRootFilesystem", "linuxParameters", "mountPoints", "volumes",
            "portMappings", "memory",
        }
    )  # fmt: skip

    def __init__(  # noqa: D417
        self,
        docker: Docker,
        definition: Mapping[str, Any],
        *,
        image: str,
        authorities: Path,
        endpoint: str,
        reach: Sequence[int],
        work: Path,
        logs: Path,
    ) -> None:
        """Look at the image; nothing is started yet.

        Args:
            definition: of the task, as ECS describes it.
            image: where Docker finds what all containers name.
            authorities: PEM file of what the containers shall trust.
            endpoint: URL of AWS.
            reach: the ports of this machine's loopback that the task connects to.

        Raises:
            UnrehearsedError: the definition asks for what nothing here does.
        """
        self._docker = docker
        self._definition = definition
        self._image = image
        described = docker.engine.images.get(image).attrs["Config"]
        self._declared_volumes = described["Volumes"] or {}
        brought = dict(line.split("=", 1) for line in described["Env"])
        self._trust = Mount(brought[AUTHORITIES], str(authorities), type="bind", read_only=True)
        self.environment = {
            **brought,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_CA_BUNDLE": brought[AUTHORITIES],
        }
        ports = {
            m["containerPort"] for c in definition["containerDefinitions"] for m in c.get("portMappings", [])
        }
        self._network = TaskNetwork(docker, image, publish=sorted(ports), reach=reach, work=work, logs=logs)
        self._logs = logs
        self._volumes: dict[str, str] = {}
        self._stack = ExitStack()
        for volume in definition.get("volumes", []):
            _refuse_more_than(volume, {"name"}, f"volume {volume['name']}")

    def __enter__(self) -> Self:
        self.published = self._stack.enter_context(self._network).published
        self._volumes = {volume["name"]: self._docker.volume() for volume in self._definition["volumes"]}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def container(self, container: Mapping[str, Any], environment: dict[str, str]) -> Container:
        """Return a registered container with its whole environment, not yet started."""
        name = container["name"]
        parameters = container.get("linuxParameters", {})
        _refuse_more_than(parameters, {"capabilities"}, f"linuxParameters of {name}")
        capabilities = parameters.get("capabilities", {})
        # Fargate holds the task to its sum; no container can have more.
        memory = f"{container.get('memory') or self._definition['memory']}m"
        return Container(
            name,
            self._docker.container(
                self._image,
                list(container["command"]),
                environment=environment,
                user=container.get("user"),
                read_only=container.get("readonlyRootFilesystem", False),
                cap_add=capabilities.get("add"),
                cap_drop=capabilities.get("drop"),
                mem_limit=memory,
                memswap_limit=memory,
                mounts=[self._trust, *map(self._mount, container.get("mountPoints", []))],
                network_mode=self._network.mode,
                healthcheck=_health_check(container.get("healthCheck")),
            ),
            log=self._logs / f"{name}.log",
        )

    def _mount(self, point: Mapping[str, Any]) -> Mount:
        path = point["containerPath"]
        return Mount(
            path,
            self._volumes[point["sourceVolume"]],
            type="volume",
            read_only=point.get("readOnly", False),
            # Fargate's are empty and root's, unless the image declares the path: then they begin as it is.
            no_copy=path not in self._declared_volumes,
        )


def _health_check(registered: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the registered check for Docker; ECS leaves out the image's own."""
    if registered is None:
        return {"test": ["NONE"]}
    _refuse_more_than(registered, {"command", "interval", "timeout", "retries", "startPeriod"}, "healthCheck")
    return {
        "test": registered["command"],
        "interval": registered["interval"] * NANOSECONDS,
        "timeout": registered["timeout"] * NANOSECONDS,
        "retries": registered["retries"],
        "start_period": registered.get("startPeriod", 0) * NANOSECONDS,
    }


def _refuse_more_than(part: Mapping[str, Any], known: set[str], what: str) -> None:
    if unknown := sorted(key for key, value in part.items() if value and key not in known):
        raise UnrehearsedError(f"{what} declares {unknown}, which nothing here reads")
