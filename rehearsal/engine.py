"""Runs the unmodified Pulumi program in a process of its own, in place of Pulumi's command line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import engine_pb2_grpc, resource_pb2_grpc

from rehearsal.deployment import Deployment, DeploymentError
from rehearsal.monitor import Cloud, Monitor
from rehearsal.processes import tied
from rehearsal.project import WRONG_SETTINGS, Project

PROVIDER = "aws:"
PROGRAM = Path(__file__).parent / "program.py"
# Pulumi's own default is four times the cores; the emulator answers one request at a time anyway.
PARALLEL = 16
DEADLINE_SECONDS = 600.0  # an image may be built meanwhile
END_SECONDS = 5.0
MESSAGE_BYTES = 64 * 1024 * 1024


def deploy(
    project: Project,
    stack: str,
    config: Mapping[str, Any],
    *,
    cloud: Cloud | None = None,
    dry_run: bool = False,
    log: Callable[[str], None] = print,
) -> Deployment:
    """Run a project's program as `pulumi up` (or, with `dry_run`, `pulumi preview`) would.

    Args:
        project: the project on disk.
        stack: the stack's name.
        config: as under `config:` in `Pulumi.<stack>.yaml`; `wire.Secret` values stay secret.
        cloud: makes the resources and answers provider functions; a preview without functions needs none.
        dry_run: make nothing; what only the cloud could know is unknown to the program.
        log: takes one line at a time, from several threads: what was made, what the program printed.

    Raises:
        DeploymentError: wrong settings, a failed resource, or the program's own failure with its own text.
    """
    if cloud is None and not dry_run:
        raise ValueError("only a dry run works without a cloud")
    settings, secret_keys = project.settings(stack, config)
    if cloud is not None:
        _configure(cloud, settings)
    monitor = Monitor(project.name, stack, cloud=cloud, dry_run=dry_run, log=log)
    with _serving(monitor) as address:
        _run(project, stack, monitor, address, dry_run=dry_run, config=(settings, secret_keys), log=log)
    return Deployment(
        project=project.name,
        stack=stack,
        dry_run=dry_run,
        resources=list(monitor.resources.values()),
        outputs=monitor.outputs,
    )


def _configure(cloud: Cloud, settings: Mapping[str, str]) -> None:
    try:
        cloud.configure(
            {key.removeprefix(PROVIDER): text for key, text in settings.items() if key.startswith(PROVIDER)}
        )
    except ValueError as error:
        raise DeploymentError(str(error), WRONG_SETTINGS) from error


@contextlib.contextmanager
def _serving(monitor: Monitor) -> Iterator[str]:
    """Serve monitor and engine on one loopback port while the context is open; yield its address."""
    workers = ThreadPoolExecutor(PARALLEL, thread_name_prefix="pulumi-monitor")
    server = grpc.server(
        workers, options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES)]
    )
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(monitor, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait(END_SECONDS)
        workers.shutdown(wait=False, cancel_futures=True)


def _run(
    project: Project,
    stack: str,
    monitor: Monitor,
    address: str,
    *,
    dry_run: bool,
    config: tuple[dict[str, str], list[str]],
    log: Callable[[str], None],
) -> None:
    command = tied(
        sys.executable, "-P", PROGRAM,
        "--project", project.name, "--stack", stack, "--monitor", address, "--engine", address,
        "--root", str(project.folder),
        "--folder", str(project.program.folder), "--main", project.program.main,
        "--parallel", str(PARALLEL), *(["--dry-run"] if dry_run else []),
    )  # fmt: skip
    # Config may hold secrets: it goes by the environment, where only the same user can look.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_"))} | {
        "PULUMI_CONFIG": json.dumps(config[0]),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(config[1]),
        "NO_PROXY": "127.0.0.1",
    }
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own: Ctrl-C reaches us first, and the whole group is ended.
        process_group=0,
    ) as child:
        try:
            printed, complaints = child.communicate(timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            raise DeploymentError(
                f"the program did not end within {DEADLINE_SECONDS:.0f} s: {monitor.failure or 'no failure'}"
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
    for line in printed.splitlines():
        log(line)
    if monitor.failure:
        raise DeploymentError(monitor.failure)
    if child.returncode != 0:
        raise DeploymentError(
            "\n".join([*monitor.errors, complaints]).strip() or f"the program ended with {child.returncode}",
            child.returncode,
        )
    if monitor.errors:
        raise DeploymentError("\n".join(monitor.errors))
    for line in complaints.splitlines():
        log(line)
