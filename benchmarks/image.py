"""Compares the image with one of plain `pip install` on the same base: size, start, memory.

The same program starts in both, MLflow's own app under uvicorn with one worker and SQLite, so that only the
images differ. BASE_IMAGE names another base than the Dockerfile's.
"""

import os
import re
import statistics
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

SERVER = Path(__file__).parent.parent / "server"
PAIRS = 7
START_SECONDS = 180
POLL_SECONDS = 0.02
# Above POSIX's page cache: what the container itself holds.
CACHE = "inactive_file"
PLAIN = """\
FROM {base}
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --quiet --no-cache-dir {packages}
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /tmp
"""
COMMAND = ["uvicorn", "mlflow.server.fastapi_app:app", "--host", "0.0.0.0", "--port", "5000"]  # noqa: S104
ENVIRONMENT = {
    "_MLFLOW_SERVER_FILE_STORE": "sqlite:////tmp/mlflow.db",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "/tmp/artifacts",  # noqa: S108
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def main() -> int:
    """Build both, start them in turns, and print medians and ratios; 1 when Docker fails."""
    try:
        with closing(docker.from_env()) as engine:
            _compare(engine)
    except (DockerException, TimeoutError) as error:
        print(f"bench-image: {error}", file=sys.stderr)
        return 1
    return 0


def _compare(engine: docker.DockerClient) -> None:
    dockerfile = (SERVER / "Dockerfile").read_text(encoding="utf-8")
    base = os.environ.get("BASE_IMAGE") or re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)[0]
    mlflow = re.findall(
        r"^mlflow==\S+", (SERVER / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    )[0]
    packages = f"{mlflow} psycopg2-binary boto3"
    print(f"building both on {base}; the other is pip install {packages}", flush=True)
    plain = PLAIN.format(base=base, packages=packages).encode()
    images = {
        "plain": engine.images.build(fileobj=BytesIO(plain), rm=True, forcerm=True)[0],
        "ours": engine.images.build(path=str(SERVER), buildargs={"BASE": base}, rm=True, forcerm=True)[0],
    }
    seconds: dict[str, list[float]] = {name: [] for name in images}
    memory: dict[str, list[float]] = {name: [] for name in images}
    # The first pair only warms the page cache.
    for pair in range(PAIRS + 1):
        for name in sorted(images, reverse=bool(pair % 2)):
            started, held = _start(engine, images[name])
            if pair:
                seconds[name].append(started)
                memory[name].append(held)
    _print("image, MB", {name: [image.attrs["Size"] / 1e6] for name, image in images.items()})
    own = engine.images.get(base).attrs["Size"]
    _print(
        "image without its base, MB",
        {name: [(image.attrs["Size"] - own) / 1e6] for name, image in images.items()},
    )
    _print(f"docker run to /health, s, median of {PAIRS}", seconds)
    _print(f"memory then, MB, median of {PAIRS}", memory)


def _start(engine: docker.DockerClient, image: Any) -> tuple[float, float]:
    """Return the seconds until the server answers, and the megabytes it holds then."""
    begun = time.monotonic()
    container = engine.containers.run(
        image.id, COMMAND, environment=ENVIRONMENT, detach=True, ports={"5000/tcp": ("127.0.0.1", None)}
    )
    try:
        container.reload()
        port = container.ports["5000/tcp"][0]["HostPort"]
        _wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close(), container)
        seconds = time.monotonic() - begun
        used = container.stats(stream=False)["memory_stats"]
        return seconds, (
            used["usage"] - used["stats"].get(CACHE, used["stats"].get(f"total_{CACHE}", 0))
        ) / 1e6
    finally:
        container.remove(force=True, v=True)


def _wait(ask: Callable[[], None], container: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return ask()
        except (urllib.error.URLError, OSError):
            container.reload()
            if container.status != "running" or time.monotonic() > deadline:
                raise TimeoutError(f"the server did not start:\n{container.logs(tail=10).decode()}") from None
            time.sleep(POLL_SECONDS)


def _print(what: str, measured: dict[str, list[float]]) -> None:
    plain, ours = (statistics.median(measured[name]) for name in ("plain", "ours"))
    spread = (
        ""
        if len(measured["ours"]) == 1
        else f"  (ours {min(measured['ours']):.1f} to {max(measured['ours']):.1f}, plain {min(measured['plain']):.1f} to {max(measured['plain']):.1f})"
    )
    print(f"{what}: ours {ours:.1f}, plain {plain:.1f}, ratio {ours / plain:.2f}{spread}")


if __name__ == "__main__":
    sys.exit(main())
