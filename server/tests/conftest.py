"""What surrounds the server in AWS, for its tests: a task role, a bucket, and Postgres behind RDS's login."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from rehearsal.certificates import CertificateAuthority
from rehearsal.credentials import TaskRole
from rehearsal.database import DatabaseFront
from rehearsal.emulator import ACCOUNT_ID, REGION, Emulator
from rehearsal.postgres import DATABASE, MASTER, Postgres
from rehearsal.processes import Process, free_port
from rehearsal.rds_login import RdsLogin
from rehearsal.rds_token import DatabaseAddress
from server.tests.served import HOST, Server, started
from server.tests.tokens import presigned

BUCKET = "mlflow-tracking-test"
RESOURCE_ID = "db-TEST"
MASTER_PASSWORD = "%:@/ and 'quotes'"
SERVER_FOLDER = Path(__file__).parent.parent
PREPARE = ("-m", "tracking_server.prepare")
PREPARE_SECONDS = 90
TRUST = [
    {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
]
ACCESS_LIST = "/mlflow-tracking/test/access"
SERVER_ID = HOST
TEAMS = ("speech", "vision")
ASSUMED_BY_ANYBODY = [
    {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
        "Action": "sts:AssumeRole",
    },
]
RIGHTS = [
    {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{BUCKET}",
        "Condition": {"StringLike": {"s3:prefix": "workspaces/*"}},
    },
    {
        "Effect": "Allow",
        "Action": "rds-db:connect",
        "Resource": f"arn:aws:rds-db:{REGION}:{ACCOUNT_ID}:dbuser:{RESOURCE_ID}/mlflow",
    },
    {
        "Effect": "Allow",
        "Action": "ssm:GetParametersByPath",
        "Resource": f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/*",
    },
]


class World:
    """Starts the programs of this package as ECS would, in an environment that inherits nothing.

    Attributes:
        login: of the database; `refusals` says why it refused.
        role: the task's.
        authority: whose certificates the task trusts.
        before: command behind which each program starts.
    """

    def __init__(
        self,
        folder: Path,
        authority: CertificateAuthority,
        emulator: Emulator,
        role: TaskRole,
        database: tuple[Postgres, RdsLogin],
    ) -> None:
        self.folder = folder
        self.authority = authority
        self.emulator = emulator
        self.postgres, self.login = database
        self.role = role
        self.before: Sequence[str] = ()
        self._count = 0

    def environment(self, database: str = DATABASE, **changes: str) -> dict[str, str]:
        """Return what the server's container sees, changed by `changes`; an empty text removes the name."""
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "PYTHONPATH": str(SERVER_FOLDER),
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_CA_BUNDLE": str(self.emulator.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
            "PGHOST": self.login.address.host,
            "PGPORT": str(self.login.address.port),
            "PGDATABASE": database,
            "PGUSER": "mlflow",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.emulator.ca_bundle),
            "ARTIFACT_ROOT": f"s3://{BUCKET}",
            "ACCESS_LIST": ACCESS_LIST,
            "SERVER_ID": SERVER_ID,
            "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.example.com,mlflow.example.com:*",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://mlflow.example.com",
            "MLFLOW_HOST": "127.0.0.1",
            "MLFLOW_PORT": str(free_port()),
            **self.role.environment,
        } | changes
        return {name: value for name, value in environment.items() if value}

    def preparation(self, database: str = DATABASE, **changes: str) -> dict[str, str]:
        """Return what the container that prepares the database sees."""
        of_the_server = ("MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "SERVER_ID")
        return {
            name: value
            for name, value in self.environment(
                database,
                **{
                    "DATABASE_MASTER_USERNAME": MASTER,
                    "DATABASE_MASTER_PASSWORD": MASTER_PASSWORD,
                }
                | changes,
            ).items()
            if name not in of_the_server
        }

    def start(self, environment: dict[str, str], *arguments: str) -> Process:
        """Make a process of Python, not yet started; its log is its own."""
        self._count += 1
        return Process(
            " ".join(arguments),
            [*self.before, sys.executable, *arguments],
            environment=environment,
            log=self.folder / f"{self._count}.log",
            cwd=self.folder,
        )

    def prepare(self, environment: dict[str, str]) -> tuple[int, str]:
        """Prepare the database; return the exit code and all that was said, which never is the password."""
        with self.start(environment, *PREPARE) as process:
            code = process.wait(PREPARE_SECONDS)
        said = process.log.read_text()
        assert MASTER_PASSWORD not in said
        return code, said

    def list_team(self, team: str, path: str = ACCESS_LIST, **more: object) -> None:
        """Write a team into the access list as the stack does, with a writer's and a reader's role."""
        roles = {
            f"{level}s": [f"arn:aws:iam::{ACCOUNT_ID}:role/{team}-{level}"] for level in ("writer", "reader")
        }
        self.emulator.client("ssm").put_parameter(
            Name=f"{path}/teams/{team}", Value=json.dumps(roles | more), Type="String", Overwrite=True
        )

    def list_admin(self, role: str) -> None:
        """Write the one admin role into the access list."""
        admins = json.dumps({"admins": [f"arn:aws:iam::{ACCOUNT_ID}:role/{role}"]})
        self.emulator.client("ssm").put_parameter(Name=f"{ACCESS_LIST}/admins", Value=admins, Type="String")

    def token(self, role: str, server_id: str = SERVER_ID, seconds: int = 900) -> str:
        """Assume a role, made if need be, and return its login for the server."""
        iam = self.emulator.client("iam")
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(
                RoleName=role,
                AssumeRolePolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": ASSUMED_BY_ANYBODY}
                ),
            )
        keys = self.emulator.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/{role}", RoleSessionName="ada"
        )["Credentials"]
        client = self.emulator.client(
            "sts",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        return presigned(client, server_id, seconds)

    def stranger(self) -> dict[str, str]:
        """Return credentials of somebody in the account without any right."""
        iam = self.emulator.client("iam")
        iam.create_user(UserName="stranger")
        key = iam.create_access_key(UserName="stranger")["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def foreign_authority(self) -> str:
        """Return the bundle of an authority that did not make the database's certificate."""
        folder = self.folder / "foreign"
        folder.mkdir()
        return str(CertificateAuthority(folder).bundle)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create another database like the one RDS made."""
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(MASTER), sql.Identifier(template)
        )
        with closing(self.postgres.connect(database="postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)
        return name

    def rows(self, database: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as Postgres's superuser and return its rows."""
        with closing(self.postgres.connect(database=database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            connection.commit()
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    authority = CertificateAuthority(folder)
    address = DatabaseAddress(host="localhost", port=free_port(), region=REGION)
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        emulator = stack.enter_context(Emulator(folder, authority))
        emulator.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        iam = emulator.client("iam")
        arn = iam.create_role(
            RoleName="task",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": TRUST}),
        )["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": RIGHTS})
        iam.put_role_policy(RoleName="task", PolicyName="rights", PolicyDocument=policy)
        role = stack.enter_context(TaskRole(emulator, arn))
        login = RdsLogin(
            postgres=postgres,
            address=address,
            master_password=MASTER_PASSWORD,
            secret_of=role.secret_of,
            authorize=lambda _key, user: role.may_connect(RESOURCE_ID, user),
        )
        stack.enter_context(DatabaseFront(login, authority.issue("database", "localhost")))
        world = World(folder, authority, emulator, role, (postgres, login))
        for team in TEAMS:
            world.list_team(team)
        world.list_admin("platform")
        yield world


@pytest.fixture(scope="session")
def prepared(world: World) -> str:
    """What was said when the first database was prepared; nobody opens it, so it can be copied."""
    code, said = world.prepare(world.preparation())
    assert code == 0, (said, world.login.refusals)
    return said


@pytest.fixture(scope="session")
def server(world: World, prepared: str) -> Iterator[Server]:
    """Return a server that all tests may ask and none may end."""
    with started(world, "served") as server:
        yield server
