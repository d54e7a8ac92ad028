"""The rehearsed stack, step by step: what was declared is made, started, joined and used."""

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from socket import socket
from typing import Any

from rehearsal.aws.cloud import EmulatedAws
from rehearsal.aws.comparison import EXCEPTIONS
from rehearsal.certificates import CertificateAuthority
from rehearsal.credentials import TaskRole
from rehearsal.database import DatabaseFront
from rehearsal.declared import check
from rehearsal.deployment import Deployment
from rehearsal.emulator import REGION, Emulator
from rehearsal.engine import deploy
from rehearsal.laptop import ROOT, Laptop
from rehearsal.load_balancer import LoadBalancer
from rehearsal.postgres import MAJOR_VERSION, Postgres
from rehearsal.prerequisites import Prerequisites
from rehearsal.processes import free_port, listening_socket
from rehearsal.project import Project
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import DatabaseAddress
from rehearsal.steps import Steps
from rehearsal.task import Task, interpreter_path
from rehearsal.unrehearsed import STAND_INS, UnrehearsedError

STACK = "rehearsal"
DOMAIN = "localhost"
TEAM, OTHER_TEAM = "vision", "speech"
# Ada joins the vision team in the rehearsal, Grace is the speech team's.
PERSON, OTHER_PERSON = "ada", "grace"


class RehearsedStack:
    """Everything of one rehearsal.

    Attributes:
        deployment: what `up` made.
        tracking_uri: where clients and browsers reach the tracking server.
        laptop: the team member's, None before the account exists.
    """

    def __init__(self, steps: Steps, *, folder: Path, work: Path) -> None:  # noqa: D417
        """Nothing is started yet.

        Args:
            folder: logs and what people read; survives the end.
            work: short-lived files and sockets; the caller removes it.
        """
        self._steps = steps
        self._logs = folder / "logs"
        self._work = work
        self._stack = ExitStack()
        self.deployment: Deployment | None = None
        self.tracking_uri = ""
        self.laptop: Laptop | None = None
        self._task: Task | None = None
        self.not_rehearsed = [f"{what}: {instead}" for what, instead in STAND_INS.items()]

    def close(self) -> None:
        """End all that was started, last things first."""
        self._stack.close()

    def start(self) -> None:
        """Run every step from the empty account to the team's first run."""
        step, say = self._steps.step, self._steps.say
        authority = CertificateAuthority(self._work)
        # Bound before its port is declared: nobody else can take it until Postgres is there.
        listener = self._stack.enter_context(listening_socket())
        with step("AWS emulator with IAM enforced"):
            emulator = self._stack.enter_context(Emulator(self._work, authority, logs=self._logs))
            prerequisites = Prerequisites(emulator, self._work, domain=DOMAIN)
            self.laptop = Laptop(prerequisites.environment, self._work, say)
            config = self._config(prerequisites, database_port=listener.getsockname()[1])
            say(emulator.url)
        self.deployment = self._deploy(emulator, config)
        with step("Postgres behind RDS's login"):
            role = self._stack.enter_context(
                TaskRole(emulator, self._task_definition(emulator)["taskRoleArn"])
            )
            self._start_database(emulator, authority, role, listener)
        with step("tasks of the registered definition"):
            target = self._start_task(emulator, authority, role)
        with step("load balancer from its listeners"):
            self._open_front_door(emulator, authority, target)
        with step(f"onboarding of team {TEAM}"):
            self.laptop.join(
                self.deployment.outputs,
                team=TEAM,
                person=PERSON,
                tracking_uri=self.tracking_uri,
                ca_bundle=authority.bundle,
            )

    def watch(self) -> None:
        """Wait until the task ends.

        Raises:
            TaskError: it has.
        """
        if self._task is not None:
            self._task.watch()

    def run_smoke_tests(self) -> None:
        """Run the smoke tests as the team that joined."""
        if self.laptop is None:
            raise RuntimeError("the rehearsal was not started")
        with self._steps.step(f"smoke tests as team {TEAM}"):
            self.laptop.run_smoke_tests(other_team=OTHER_TEAM)

    def _config(self, prerequisites: Prerequisites, *, database_port: int) -> dict[str, Any]:
        people = {name: prerequisites.add_person(name) for name in (PERSON, OTHER_PERSON)}
        return {
            "aws:region": REGION,
            "image": "mlflow-tracking-server:rehearsal",
            "teams": {TEAM: {"writers": [people[PERSON]]}, OTHER_TEAM: {"writers": [people[OTHER_PERSON]]}},
            "domain": DOMAIN,
            "hostedZoneId": prerequisites.hosted_zone_id,
            "egress": "public-ip",
            "disposable": True,
            "databasePort": database_port,
        }

    def _deploy(self, emulator: Emulator, config: dict[str, Any]) -> Deployment:
        project = Project(ROOT)
        cloud = EmulatedAws(emulator.client)
        with self._steps.step("preview of the Pulumi program"):
            preview = deploy(project, STACK, config, cloud=cloud, dry_run=True, log=self._steps.say)
        with self._steps.step("up"):
            deployment = deploy(project, STACK, config, cloud=cloud, log=self._steps.say)
        with self._steps.step("declared against created"):
            check(preview, deployment, cloud)
        self.not_rehearsed += _not_compared(cloud.compare(deployment)[1])
        return deployment

    def _made(self, kind: str) -> dict[str, Any]:
        """Return what AWS described of the stack's only resource of a type."""
        if self.deployment is None:
            raise RuntimeError("nothing is deployed yet")
        return self.deployment.one(kind).outputs

    def _task_definition(self, emulator: Emulator) -> dict[str, Any]:
        """Describe the task definition that the created service runs."""
        described = emulator.client("ecs").describe_task_definition(
            taskDefinition=self._made("aws:ecs/service:Service")["taskDefinition"]
        )
        return dict(described["taskDefinition"])

    def _start_database(
        self, emulator: Emulator, authority: CertificateAuthority, role: TaskRole, listener: socket
    ) -> None:
        instance = self._made("aws:rds/instance:Instance")
        if (instance["engine"], str(instance["engineVersion"]).split(".")[0]) != ("postgres", MAJOR_VERSION):
            raise UnrehearsedError(
                f"{instance['engine']} {instance['engineVersion']}: Postgres {MAJOR_VERSION} is here"
            )
        postgres = self._stack.enter_context(
            Postgres(self._work, master=instance["username"], database=instance["dbName"], logs=self._logs)
        )
        host, port = instance["address"], int(instance["port"])
        secret = emulator.client("secretsmanager").get_secret_value(
            SecretId=instance["masterUserSecrets"][0]["secretArn"]
        )
        parameters = self._made("aws:rds/parameterGroup:ParameterGroup")["parameters"]
        login = RdsLogin(
            postgres=postgres,
            address=DatabaseAddress(host=host, port=port, region=REGION),
            master_password=json.loads(secret["SecretString"])["password"],
            secret_of=role.secret_of,
            authorize=lambda _, user: (
                bool(instance["iamDatabaseAuthenticationEnabled"])
                and role.may_connect(instance["resourceId"], user)
            ),
            force_ssl=any(p["name"] == "rds.force_ssl" and p["value"] == "1" for p in parameters),
        )
        certificate = authority.issue("database", host)
        self._stack.enter_context(DatabaseFront(login, certificate, listener))
        self._steps.say(f"{host}:{port}")

    def _start_task(self, emulator: Emulator, authority: CertificateAuthority, role: TaskRole) -> str:
        """Start prepare and the tracking server; return where the server listens."""
        port = free_port()
        task = Task(
            emulator,
            self._task_definition(emulator),
            image_environment={
                "PATH": interpreter_path(ROOT / ".venv"),
                "PYTHONPATH": str(ROOT / "server"),
                "HOME": str(self._work),
                "TMPDIR": str(self._work),
                "MLFLOW_HOST": "127.0.0.1",
                "MLFLOW_PORT": str(port),
                "PGSSLROOTCERT": str(authority.bundle),
                "AWS_ENDPOINT_URL": emulator.url,
                "AWS_CA_BUNDLE": str(authority.bundle),
            },
            role=role,
            logs=self._logs,
            folder=self._work,
            say=self._steps.say,
        )
        (target,) = self._made("aws:ecs/service:Service")["loadBalancers"]
        task.check_port(target["containerName"], target["containerPort"])
        self.not_rehearsed.append(task.not_rehearsed())
        self._task = self._stack.enter_context(task)
        return f"127.0.0.1:{port}"

    def _open_front_door(self, emulator: Emulator, authority: CertificateAuthority, target: str) -> None:
        arn = self._made("aws:lb/loadBalancer:LoadBalancer")["arn"]
        front = self._stack.enter_context(LoadBalancer(emulator, authority, arn))
        front.register(target)
        self.tracking_uri = f"https://{DOMAIN}:{front.ports[443]}"
        self._steps.say(self.tracking_uri)

    def resources(self) -> dict[str, int]:
        """Count what was made, by type token."""
        made = self.deployment.resources if self.deployment else []
        return dict(sorted(Counter(resource.type for resource in made if resource.custom).items()))


def _not_compared(met: set[tuple[str, str]]) -> list[str]:
    """Name the declared properties that were excepted from the comparison, a line for each reason."""
    names: dict[str, list[str]] = {}
    for kind, declared in sorted(met):
        names.setdefault(EXCEPTIONS[kind, declared], []).append(f"{kind.rsplit(':', 1)[1]}.{declared}")
    return [f"not compared with what was created: {', '.join(names[why])}: {why}" for why in names]
