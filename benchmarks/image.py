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
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

SERVER = Path(__file__).parent.parent / "server"
NAME = "mlflow-tracking-benchmark"
PAIRS = 7
START_SECONDS = 180
POLL_SECONDS = 0.02
# Files that the kernel keeps in memory while nothing else needs it.
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
    base = os.environ.get("BASE_IMAGE") or _found(r"^ARG BASE=(\S+)$", "Dockerfile")
    mlflow = _found(r"^(mlflow==\S+)", "requirements.lock")
    packages = f"{mlflow} psycopg2-binary boto3"
    print(f"building both on {base}; the other is pip install {packages}", flush=True)
    plain = PLAIN.format(base=base, packages=packages).encode()
    build = partial(engine.images.build, rm=True, forcerm=True)
    images: dict[str, Any] = {}
    try:
        images["plain"], _ = build(fileobj=BytesIO(plain), tag=f"{NAME}:plain")
        images["ours"], _ = build(path=str(SERVER), buildargs={"BASE": base}, tag=f"{NAME}:ours")
        _measure(engine, images)
    finally:
        for name in images:
            engine.images.remove(f"{NAME}:{name}", noprune=True)


def _measure(engine: docker.DockerClient, images: dict[str, Any]) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in images}
    memory: dict[str, list[float]] = {name: [] for name in images}
    # The first pair only warms the page cache.
    for pair in range(PAIRS + 1):
        print(f"pair {pair} of {PAIRS}" if pair else "warming up", flush=True)
        for name in sorted(images, reverse=bool(pair % 2)):
            started, held = _start(engine, images[name])
            if pair:
                seconds[name].append(started)
                memory[name].append(held)
    _print("image, MB", {name: [image.attrs["Size"] / 1e6] for name, image in images.items()})
    _print("compressed, MB", {name: [_packed(image)] for name, image in images.items()})
    _print(f"docker run to /health, s, median of {PAIRS}", seconds)
    _print(f"memory then, MB, median of {PAIRS}", memory)


def _found(pattern: str, name: str) -> str:
    return re.findall(pattern, (SERVER / name).read_text(encoding="utf-8"), re.MULTILINE)[0]


def _start(engine: docker.DockerClient, image: Any) -> tuple[float, float]:
    """Return the seconds until the server answers, and the megabytes it holds then."""
    begun = time.monotonic()
    ports: Any = {"5000/tcp": ("127.0.0.1", None)}
    container: Any = engine.containers.create(image.id, COMMAND, environment=ENVIRONMENT, ports=ports)
    try:
        container.start()
        container.reload()
        port = container.ports["5000/tcp"][0]["HostPort"]
        _wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close(), container)
        seconds = time.monotonic() - begun
        told: Any = container.stats(stream=False)
        memory = told["memory_stats"]
        # The cache's name in the second and in the first generation of cgroups.
        cached = memory["stats"].get(CACHE, memory["stats"].get(f"total_{CACHE}", 0))
        return seconds, (memory["usage"] - cached) / 1e6
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


def _packed(image: Any) -> float:
    """Return the megabytes that a registry keeps and each new task fetches: the layers, compressed."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return (sum(len(packer.compress(piece)) for piece in image.save()) + len(packer.flush())) / 1e6


def _print(what: str, measured: dict[str, list[float]]) -> None:
    plain, ours = (statistics.median(measured[name]) for name in ("plain", "ours"))
    print(f"{what}: ours {ours:.1f}, plain {plain:.1f}, ratio {ours / plain:.2f}")
    for name, values in measured.items():
        if len(values) > 1:
            print(f"  {name}: {' '.join(f'{value:.1f}' for value in sorted(values))}")


if __name__ == "__main__":
    sys.exit(main())
