"""The rehearsed stack, step by step: what was declared is made, started, joined and used."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import urlsplit

from rehearsal import teams
from rehearsal.aws.cloud import EmulatedAws
from rehearsal.certificates import CertificateAuthority
from rehearsal.containers.docker import Docker
from rehearsal.containers.postgres import PostgresContainer
from rehearsal.containers.task_containers import TaskContainers
from rehearsal.credentials import TaskRole, TaskRoles
from rehearsal.database import DatabaseFront
from rehearsal.declared import check
from rehearsal.deployment import Deployment
from rehearsal.emulator import REGION, Emulator
from rehearsal.engine import deploy
from rehearsal.image_build import build_and_push, registry_reference
from rehearsal.laptop import ROOT, Laptop
from rehearsal.load_balancer import LoadBalancer
from rehearsal.plain_containers import PlainContainers, interpreter_path
from rehearsal.postgres import MAJOR_VERSION, Postgres
from rehearsal.prerequisites import Prerequisites
from rehearsal.processes import free_port, listening_socket
from rehearsal.project import Project
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import DatabaseAddress
from rehearsal.report import not_compared
from rehearsal.steps import Steps
from rehearsal.task import Runtime, Task
from rehearsal.teams import OTHER_TEAM, PERSON, TEAM
from rehearsal.unrehearsed import STAND_INS, UnrehearsedError

STACK = "rehearsal"
DOMAIN = "localhost"
# Names the image's base where no registry is reached.
BASE_IMAGE = "BASE_IMAGE"


class RehearsedStack:
    """Everything of one rehearsal.

    Attributes:
        config: the stack's, as in `Pulumi.<stack>.yaml`.
        deployment: what `up` made.
        logs: the folder of what each process said.
        tracking_uri: where clients and browsers reach the tracking server.
        authority: vouches for every certificate of the rehearsal.
        prerequisites: the account as it was before the stack, and its people.
        laptop: the team member's, None before the account exists.
        image: the pushed image, where Docker finds it; empty without a Docker.
        task: the first of the service, None before it has started.
        roles: of the tasks that were started.
        emulator, postgres, front: AWS, its database and its load balancer, once they are started.
    """

    emulator: Emulator
    authority: CertificateAuthority
    prerequisites: Prerequisites
    postgres: Postgres
    front: LoadBalancer
    _role: TaskRole

    def __init__(self, steps: Steps, *, folder: Path, work: Path, docker: Docker | None = None) -> None:  # noqa: D417
        """Nothing is started yet.

        Args:
            folder: logs and what people read; survives the end.
            work: short-lived files and sockets; the caller removes it.
            docker: builds the image and runs the containers; without it they are plain processes.
        """
        self._steps = steps
        self.logs = folder / "logs"
        self._work = work
        self._docker = docker
        self._stack = ExitStack()
        self.config: dict[str, Any] = {}
        self.deployment: Deployment | None = None
        self.tracking_uri = ""
        self.laptop: Laptop | None = None
        self.image = ""
        self.task: Task | None = None
        self.roles = TaskRoles()
        self.not_rehearsed = [f"{what}: {instead}" for what, instead in STAND_INS.items()]

    def close(self) -> None:
        """End all that was started, last things first."""
        self._stack.close()

    def start(self) -> None:
        """Run every step from the empty account to the team's first run."""
        step, say = self._steps.step, self._steps.say
        # Bound before its port is declared: nobody else can take it until Postgres is there.
        listener = self._stack.enter_context(listening_socket())
        with step("AWS emulator with IAM enforced"):
            self.authority = CertificateAuthority(self._work)
            self.emulator = self._stack.enter_context(Emulator(self._work, self.authority, logs=self.logs))
            self.prerequisites = Prerequisites(self.emulator, self._work, domain=DOMAIN)
            self.laptop = Laptop(self.prerequisites.environment, self._work, say)
            self.config = self._config(database_port=listener.getsockname()[1])
            say(self.emulator.url)
        self.deployment = self._deploy(self.config)
        if self._docker is not None:
            with step("pull of the pushed image"):
                self.image = self._pull(self._docker)
        with step("Postgres behind RDS's login"):
            self._role = self._stack.enter_context(
                TaskRole(self.emulator, self.task_definition()["taskRoleArn"])
            )
            self.roles[self.task_definition()["taskRoleArn"]] = self._role
            self._start_database(listener)
        with step("tasks of the registered definition"):
            self.task, target = self.start_task(self.task_definition())
            self.not_rehearsed.append(self.task.not_rehearsed())
        with step("load balancer from its listeners"):
            self._open_front_door(target)
        with step(f"onboarding of team {TEAM}"):
            self.laptop.join(
                self.deployment.outputs,
                team=TEAM,
                person=PERSON,
                tracking_uri=self.tracking_uri,
                ca_bundle=self.authority.bundle,
            )

    def open_ui(self) -> str:
        """Start what shows the UI to a browser as the team's member, and return the address to open."""
        return self._stack.enter_context(self._member().ui(self.logs))

    def watch(self) -> None:
        """Wait until the task ends.

        Raises:
            TaskError: it has.
        """
        if self.task is not None:
            self.task.watch()

    def run_smoke_tests(self) -> None:
        """Run the smoke tests as the team that joined."""
        with self._steps.step(f"smoke tests as team {TEAM}"):
            self._member().run_smoke_tests(other_team=OTHER_TEAM)

    def _member(self) -> Laptop:
        if self.laptop is None:
            raise RuntimeError("the rehearsal was not started")
        return self.laptop

    def _config(self, *, database_port: int) -> dict[str, Any]:
        return {
            "aws:region": REGION,
            **self._image_settings(),
            **teams.settings(self.prerequisites),
            "domain": DOMAIN,
            "hostedZoneId": self.prerequisites.hosted_zone_id,
            "egress": "public-ip",
            "disposable": True,
            "databasePort": database_port,
        }

    def _image_settings(self) -> dict[str, str]:
        """Name an image that nobody pulls, or let the stack build one."""
        if self._docker is None:
            return {"image": "mlflow-tracking-server:rehearsal"}
        return {"baseImage": os.environ[BASE_IMAGE]} if os.environ.get(BASE_IMAGE) else {}

    def _deploy(self, config: dict[str, Any]) -> Deployment:
        project = Project(ROOT)
        build = build_and_push(self.emulator) if self._docker is not None else None
        cloud = EmulatedAws(self.emulator.client, build)
        with self._steps.step("preview of the Pulumi program"):
            preview = deploy(project, STACK, config, cloud=cloud, dry_run=True, log=self._steps.say)
        with self._steps.step("up"):
            deployment = deploy(project, STACK, config, cloud=cloud, log=self._steps.say)
        with self._steps.step("declared against created"):
            check(preview, deployment, cloud)
        self.not_rehearsed += not_compared(cloud.compare(deployment)[1])
        return deployment

    def _made(self, kind: str) -> dict[str, Any]:
        """Return what AWS described of the stack's only resource of a type."""
        if self.deployment is None:
            raise RuntimeError("nothing is deployed yet")
        return self.deployment.one(kind).outputs

    def task_definition(self) -> dict[str, Any]:
        """Describe the task definition that the created service runs."""
        described = self.emulator.client("ecs").describe_task_definition(
            taskDefinition=self._made("aws:ecs/service:Service")["taskDefinition"]
        )
        return dict(described["taskDefinition"])

    def database_instance(self) -> dict[str, Any]:
        """Return what AWS described of the database."""
        return self._made("aws:rds/instance:Instance")

    def _start_database(self, listener: socket) -> None:
        instance = self._made("aws:rds/instance:Instance")
        if (instance["engine"], str(instance["engineVersion"]).split(".")[0]) != ("postgres", MAJOR_VERSION):
            raise UnrehearsedError(
                f"{instance['engine']} {instance['engineVersion']}: Postgres {MAJOR_VERSION} is here"
            )
        options = {"master": instance["username"], "database": instance["dbName"], "logs": self.logs}
        self.postgres = self._stack.enter_context(
            Postgres(self._work, **options)
            if self._docker is None
            else PostgresContainer(self._docker, self.image, self._work, **options)
        )
        host, port = instance["address"], int(instance["port"])
        secret = self.emulator.client("secretsmanager").get_secret_value(
            SecretId=instance["masterUserSecrets"][0]["secretArn"]
        )
        parameters = self._made("aws:rds/parameterGroup:ParameterGroup")["parameters"]
        login = RdsLogin(
            postgres=self.postgres,
            address=DatabaseAddress(host=host, port=port, region=REGION),
            master_password=json.loads(secret["SecretString"])["password"],
            secret_of=self.roles.secret_of,
            authorize=lambda key, user: (
                bool(instance["iamDatabaseAuthenticationEnabled"])
                and self.roles.may_connect(key, instance["resourceId"], user)
            ),
            force_ssl=any(p["name"] == "rds.force_ssl" and p["value"] == "1" for p in parameters),
        )
        certificate = self.authority.issue("database", host)
        self._stack.enter_context(DatabaseFront(login, certificate, listener))
        self._steps.say(f"{host}:{port}")

    def _pull(self, docker: Docker) -> str:
        """Pull what the registered containers name; return where Docker finds it."""
        containers = self.task_definition()["containerDefinitions"]
        images = {container["image"] for container in containers}
        if len(images) != 1:
            raise UnrehearsedError(f"containers of one image are rehearsed, declared were {sorted(images)}")
        reference = registry_reference(self.emulator, images.pop())
        self._steps.say(reference)
        docker.pull(reference)
        return reference

    def start_task(self, definition: Mapping[str, Any]) -> tuple[Task, str]:
        """Start a task of the service; return it and where its target of the load balancer listens."""
        (target,) = self._made("aws:ecs/service:Service")["loadBalancers"]
        runtime = self._runtime(definition, target["containerPort"])
        task = Task(self.emulator, definition, runtime=runtime, role=self._role, say=self._steps.say)
        task.check_port(target["containerName"], target["containerPort"])
        self._stack.enter_context(task)
        return task, f"127.0.0.1:{runtime.published[target['containerPort']]}"

    def _runtime(self, definition: Mapping[str, Any], port: int) -> Runtime:
        if self._docker is None:
            return self.plain_containers(port, self.logs)
        database = self._made("aws:rds/instance:Instance")
        keys = self._role.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        return self._stack.enter_context(
            TaskContainers(
                self._docker,
                definition,
                image=self.image,
                authorities=self.authority.bundle,
                endpoint=self.emulator.url,
                reach=[
                    int(database["port"]),
                    *(int(urlsplit(u).port or 0) for u in (self.emulator.url, keys)),
                ],
                work=self._work,
                logs=self.logs,
            )
        )

    def plain_containers(self, port: int, logs: Path) -> PlainContainers:
        """Return what runs containers as processes of this checkout, one of their ports published."""
        published = free_port()
        bundle = str(self.authority.bundle)
        return PlainContainers(
            {
                "PATH": interpreter_path(ROOT / ".venv"),
                "PYTHONPATH": str(ROOT / "server"),
                "HOME": str(self._work),
                "TMPDIR": str(self._work),
                "MLFLOW_HOST": "127.0.0.1",
                "MLFLOW_PORT": str(published),
                "PGSSLROOTCERT": bundle,
                "AWS_ENDPOINT_URL": self.emulator.url,
                "AWS_CA_BUNDLE": bundle,
            },
            published={port: published},
            folder=self._work,
            logs=logs,
        )

    def _open_front_door(self, target: str) -> None:
        arn = self._made("aws:lb/loadBalancer:LoadBalancer")["arn"]
        self.front = self._stack.enter_context(LoadBalancer(self.emulator, self.authority, arn))
        self.front.register(target)
        self.tracking_uri = f"https://{DOMAIN}:{self.front.ports[443]}"
        self._steps.say(self.tracking_uri)

    def resources(self) -> dict[str, int]:
        """Count what was made, by type token."""
        made = self.deployment.resources if self.deployment else []
        return dict(sorted(Counter(resource.type for resource in made if resource.custom).items()))
