"""Tasks start as ECS would start them, and what ECS would refuse is refused."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from rehearsal import credentials
from rehearsal.credentials import ECS, TaskRole, TrustError, assume
from rehearsal.deployment import DeploymentError
from rehearsal.emulator import ACCOUNT_ID, Emulator
from rehearsal.laptop import ROOT
from rehearsal.plain_containers import PlainContainers, interpreter_path
from rehearsal.task import Runtime, Task, TaskError
from rehearsal.unrehearsed import UnrehearsedError

pytestmark = pytest.mark.rehearsal

SECRET = "not-for-everybody"
ENDING = ["python", "-c", "print('prepared')"]
LASTING = ["python", "-c", "import time; print('serving', flush=True); time.sleep(60)"]
PRINTING = ["python", "-c", "import os; print(sorted(os.environ.items()), flush=True)"]
HEALTHY = {"command": ["CMD", "python", "-c", "pass"], "interval": 1, "timeout": 5, "retries": 3}
SICK = {**HEALTHY, "command": ["CMD", "python", "-c", "raise SystemExit('no answer')"]}
# The same task, as processes and in Docker.
EITHER = pytest.mark.parametrize(
    "runtime",
    [
        "processes",
        pytest.param("docker", marks=pytest.mark.container),
    ],
    indirect=True,
)


def role(emulator: Emulator, name: str, *, trusted: dict[str, Any], policy: dict[str, Any]) -> str:
    iam = emulator.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", **trusted}
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **policy}]}
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=json.dumps(document))
    return f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"


BY_ECS = {
    "Principal": {"Service": ECS},
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT_ID}},
}
DATABASE_USER = f"arn:aws:rds-db:eu-west-1:{ACCOUNT_ID}:dbuser:db-OURS/mlflow"


@pytest.fixture(scope="module")
def secret(emulator: Emulator) -> str:
    made = emulator.client("secretsmanager").create_secret(
        Name="master", SecretString=json.dumps({"password": SECRET})
    )
    return str(made["ARN"])


@pytest.fixture(scope="module")
def execution_role(emulator: Emulator, secret: str) -> str:
    rights = {"Action": "secretsmanager:GetSecretValue", "Resource": secret}
    return role(emulator, "execution", trusted=BY_ECS, policy=rights)


@pytest.fixture(scope="module")
def task_role_arn(emulator: Emulator) -> str:
    rights = {"Action": "rds-db:connect", "Resource": DATABASE_USER}
    return role(emulator, "task", trusted=BY_ECS, policy=rights)


@pytest.fixture(scope="module")
def task_role(emulator: Emulator, task_role_arn: str) -> Iterator[TaskRole]:
    with TaskRole(emulator, task_role_arn) as served:
        yield served


@pytest.fixture
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, Any]], Runtime]:
    if getattr(request, "param", "processes") == "docker":
        return request.getfixturevalue("task_containers")
    environment = {"PATH": interpreter_path(ROOT / ".venv"), "MLFLOW_PORT": "1"}
    return lambda _: PlainContainers(environment, published={}, folder=tmp_path, logs=tmp_path)


@pytest.fixture
def task(
    emulator: Emulator,
    task_role: TaskRole,
    execution_role: str,
    runtime: Callable[[dict[str, Any]], Runtime],
) -> Callable[..., Task]:
    def make(*containers: dict[str, Any], execution: str = execution_role) -> Task:
        definition = {
            "containerDefinitions": list(containers),
            "executionRoleArn": execution,
            "volumes": [],
            "memory": "256",
        }
        return Task(emulator, definition, runtime=runtime(definition), role=task_role, say=lambda _: None)

    return make


def container(name: str, command: list[str], **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "x:1", "command": command, **more}


@EITHER
def test_server_starts_after_prepare_has_succeeded(task: Callable[..., Task], tmp_path: Path) -> None:
    depends = [{"containerName": "prepare", "condition": "SUCCESS"}]
    server = container("server", LASTING, dependsOn=depends, healthCheck=HEALTHY, stopTimeout=2)
    with task(server, container("prepare", ENDING)):
        assert "prepared" in (tmp_path / "prepare.log").read_text()


@EITHER
def test_server_does_not_start_when_prepare_fails(task: Callable[..., Task], tmp_path: Path) -> None:
    depends = [{"containerName": "prepare", "condition": "SUCCESS"}]
    prepare = container("prepare", ["python", "-c", "raise SystemExit('behind')"])
    with pytest.raises(TaskError, match=r"prepare ended with exit code 1\nbehind"):
        task(container("server", LASTING, dependsOn=depends), prepare).__enter__()
    assert not (tmp_path / "server.log").exists()


@EITHER
def test_server_that_never_gets_healthy_is_ended_and_said(task: Callable[..., Task]) -> None:
    with pytest.raises(TaskError, match=r"(?s)health check exits 1: \['no answer'\].*serving"):
        task(container("server", LASTING, healthCheck=SICK, stopTimeout=1)).__enter__()


@EITHER
def test_end_of_an_essential_container_is_noticed(task: Callable[..., Task]) -> None:
    dying = ["python", "-c", "raise SystemExit('out of memory')"]
    started = task(container("helper", ENDING, essential=False), container("server", dying))
    with started, pytest.raises(TaskError, match=r"server ended with exit code 1\nout of memory"):
        started.watch()


def test_secret_reaches_its_container_alone(task: Callable[..., Task], secret: str) -> None:
    secrets = [{"name": "PASSWORD", "valueFrom": f"{secret}:password::"}]
    made = task(container("prepare", PRINTING, secrets=secrets), container("server", PRINTING))
    assert made.environment_of("prepare")["PASSWORD"] == SECRET
    assert SECRET not in str(made.environment_of("server"))


def test_secret_needs_the_right_of_the_execution_role(
    task: Callable[..., Task], emulator: Emulator, secret: str
) -> None:
    poor = role(emulator, "poor", trusted=BY_ECS, policy={"Action": "logs:PutLogEvents", "Resource": "*"})
    secrets = [{"name": "PASSWORD", "valueFrom": f"{secret}:password::"}]
    with pytest.raises(ClientError, match="AccessDenied"):
        task(container("prepare", PRINTING, secrets=secrets), execution=poor).environment_of("prepare")


def test_registered_environment_is_not_edited_silently(task: Callable[..., Task]) -> None:
    environment = [{"name": "MLFLOW_PORT", "value": "5000"}]
    with pytest.raises(UnrehearsedError, match=r"\['MLFLOW_PORT'\] twice"):
        task(container("server", PRINTING, environment=environment)).environment_of("server")


@pytest.mark.parametrize("key", ["privileged", "ulimits", "entryPoint", "dockerLabels"])
def test_what_nothing_here_reads_stops_the_rehearsal(task: Callable[..., Task], key: str) -> None:
    with pytest.raises(UnrehearsedError, match=rf"declares \['{key}'\]"):
        task(container("server", LASTING, **{key: ["something"]}))


def test_what_a_process_has_no_use_for_is_named(task: Callable[..., Task]) -> None:
    said = task(container("server", LASTING, essential=True, user="10001:10001", cpu=0)).not_rehearsed()
    assert said.endswith("without effect here: image, memory, user")


def test_service_must_forward_to_a_mapped_port(task: Callable[..., Task]) -> None:
    made = task(container("server", LASTING, portMappings=[{"containerPort": 5000}]))
    made.check_port("server", 5000)
    with pytest.raises(DeploymentError, match="server:5001, which maps"):
        made.check_port("server", 5001)
    with pytest.raises(DeploymentError, match="other:5000"):
        made.check_port("other", 5000)


def test_credentials_are_served_to_who_knows_the_token(task_role: TaskRole, emulator: Emulator) -> None:
    import boto3  # noqa: PLC0415 - with the agent's environment alone

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**task_role.environment, "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}.items():
            patch.setenv(name, value)
        found = boto3.Session().get_credentials()
        assert found is not None
        keys = found.get_frozen_credentials()
        assert task_role.secret_of(keys.access_key, keys.token) == keys.secret_key
        assert task_role.secret_of(keys.access_key, "another token") is None
        assert task_role.secret_of("AKIAUNKNOWN", keys.token) is None
        patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "guessed")
        with pytest.raises(Exception, match="401"):
            boto3.Session().get_credentials()


def test_keys_are_renewed_before_they_expire(
    emulator: Emulator, task_role_arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":  # type: ignore[override]
            return super().now(tz) + passed

    monkeypatch.setattr(credentials, "datetime", Clock)
    with TaskRole(emulator, task_role_arn) as served:
        url = served.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        headers = {"Authorization": served.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}

        def fetch() -> dict[str, str]:
            return dict(requests.get(url, headers=headers, timeout=5).json())

        first = fetch()
        passed = timedelta(minutes=44)
        assert fetch() == first
        passed = timedelta(minutes=46)
        second = fetch()
        assert second["AccessKeyId"] != first["AccessKeyId"]
        assert second["Expiration"] > first["Expiration"]
        # The old ones are good for another quarter of an hour.
        assert served.secret_of(first["AccessKeyId"], first["Token"]) == first["SecretAccessKey"]


def test_only_the_declared_database_user_may_connect(task_role: TaskRole) -> None:
    assert task_role.may_connect("db-OURS", "mlflow")
    assert not task_role.may_connect("db-OURS", "mlflow_admin")
    assert not task_role.may_connect("db-THEIRS", "mlflow")


@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("lambda", {"Principal": {"Service": "lambda.amazonaws.com"}}),
        ("other-account", {**BY_ECS, "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}}),
        ("anybody", {"Principal": {"AWS": "*"}}),
    ],
)
def test_role_that_ecs_may_not_take_is_not_taken(
    emulator: Emulator, name: str, trusted: dict[str, Any]
) -> None:
    arn = role(emulator, name, trusted=trusted, policy={"Action": "s3:ListBucket", "Resource": "*"})
    with pytest.raises(TrustError, match=ECS):
        assume(emulator, arn)


def test_taking_a_role_leaves_its_trust_as_it_was(emulator: Emulator, execution_role: str) -> None:
    before = emulator.client("iam").get_role(RoleName="execution")["Role"]["AssumeRolePolicyDocument"]
    assume(emulator, execution_role)
    after = emulator.client("iam").get_role(RoleName="execution")["Role"]["AssumeRolePolicyDocument"]
    assert after == before
