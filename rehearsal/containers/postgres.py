"""The rehearsal's Postgres in a container: the same programs and the same folder, in Docker."""

import os
from pathlib import Path
from typing import Any

from docker.types import Mount

from rehearsal.containers.container import Container
from rehearsal.containers.docker import Docker
from rehearsal.postgres import STOP_SECONDS, Postgres


class PostgresContainer(Postgres):
    """Initialised here, served by a container that sees the programs and the folder, and no network."""

    def __init__(self, docker: Docker, image: str, data_parent: Path | None = None, **options: Any) -> None:
        """Take any image with a C library, and what `Postgres` takes."""
        super().__init__(data_parent, **options)
        self._docker = docker
        self._image = image
        self._container: Container | None = None

    def _serve(self, *command: str | Path) -> None:
        program = Path(command[0])
        # The programs find their libraries by the way between these folders.
        packages = [
            folder for folder in program.parents[3].glob(f"{program.parents[2].name}*") if folder.is_dir()
        ]
        options = self._docker.container(
            self._image,
            [str(word) for word in command],
            user="{user}:{group}".format(**(self._identity or {"user": os.getuid(), "group": os.getgid()})),
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            # Fast shutdown, which ends open sessions.
            stop_signal="SIGINT",
            healthcheck={"test": ["NONE"]},
            mounts=[
                Mount(str(self.folder), str(self.folder), type="bind"),
                *(Mount(str(folder), str(folder), type="bind", read_only=True) for folder in packages),
            ],
        )
        self._container = Container("Postgres", options, log=self._log)
        self._container.__enter__()

    def _has_ended(self) -> bool:
        return self._container is not None and self._container.exit_code() is not None

    def _end_server(self) -> None:
        if self._container is not None:
            self._container.stop(STOP_SECONDS)

    def _end_of_log(self) -> str:
        return self._container.end_of_log() if self._container is not None else ""
