"""The database's password is with the container that prepares the database, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal.chaos.outages import SERVER
from rehearsal.processes import Process
from rehearsal.stack import RehearsedStack
from rehearsal.wire import Secret

pytestmark = pytest.mark.rehearsal

# By these libpq finds a password, and the preparation its own.
VARIABLES = ("PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "DATABASE_MASTER")


@pytest.fixture(scope="module")
def password(running: RehearsedStack) -> str:
    assert running.deployment
    instance = running.deployment.one("aws:rds/instance:Instance").outputs
    arn = instance["masterUserSecrets"][0]["secretArn"]
    kept = running.emulator.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return str(json.loads(kept)["password"])


def everything(value: Any) -> str:
    """Return all texts of recorded properties, what Pulumi would encrypt too."""
    if isinstance(value, Secret):
        return everything(value.value)
    if isinstance(value, dict):
        return " ".join(everything(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return " ".join(map(everything, value))
    return str(value)


def test_no_resource_and_no_output_of_the_deployed_stack_holds_it(
    running: RehearsedStack, password: str
) -> None:
    assert running.deployment
    recorded = [(each.name, everything([each.inputs, each.outputs])) for each in running.deployment.resources]
    assert [name for name, text in recorded if password in text] == []
    assert password not in everything(running.deployment.outputs)
    # The canary: what is recorded is looked through.
    assert any("mlflow_admin" in text for _, text in recorded)
    assert password in everything({"a": [Secret(password)]})


def test_the_registered_task_definition_holds_a_reference_for_the_preparation_alone(
    running: RehearsedStack, password: str
) -> None:
    definition = running.task_definition()
    assert password not in json.dumps(definition, default=str)
    with_secrets = [each["name"] for each in definition["containerDefinitions"] if each.get("secrets")]
    assert with_secrets == ["prepare"]
    assert running.task
    assert running.task.environment_of("prepare")["DATABASE_MASTER_PASSWORD"] == password


def test_the_running_servers_process_holds_it_neither_in_its_environment_nor_in_its_arguments(
    running: RehearsedStack, password: str
) -> None:
    assert running.task
    server = running.task.started[SERVER]
    assert isinstance(server, Process)
    here = psutil.Process(server.pid)
    for process in (here, *here.children(recursive=True)):
        environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode()
        assert "PGHOST=" in environment, "it is not the server's"
        assert password not in environment
        names = [variable.partition("=")[0] for variable in environment.split("\0")]
        assert [name for name in names if name.startswith(VARIABLES) or "PASSWORD" in name] == []
        assert password not in " ".join(process.cmdline())
    assert password not in server.log.read_text()
