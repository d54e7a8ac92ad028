"""The team's chat: its address comes from the stack by the writer's role; a run that ends is told there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.tests.servers import Answer, Server, server
from mlflow_team import tags
from mlflow_team.chat.address import UNSET
from rehearsal.stack import RehearsedStack
from rehearsal.teams import PERSON, TEAM
from rehearsal.tests.login import Api

COMMAND = Path(sys.executable).parent / "mlflow-team"
SECRET = "T000-B000-XyZ"
SECONDS = 60.0
TRAINING = """
import mlflow
with mlflow.start_run(run_name="told") as run:
    mlflow.log_metric("accuracy", 0.97)
print(run.info.run_id)
"""

pytestmark = pytest.mark.rehearsal


@pytest.fixture
def chat(running: RehearsedStack) -> Iterator[Server]:
    """A chat on loopback; the platform engineer has put its address where the stack says."""
    ssm, name = running.emulator.client("ssm"), running.deployment.outputs["teams"][TEAM]["chatParameter"]
    with server(lambda _: Answer()) as webhook:
        ssm.put_parameter(Name=name, Value=f"{webhook.uri}/{SECRET}", Type="SecureString", Overwrite=True)
        yield webhook
        ssm.put_parameter(Name=name, Value=UNSET, Type="SecureString", Overwrite=True)


def run(stack: RehearsedStack, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in the environment that onboarding wrote, and nothing more."""
    assert stack.laptop
    return subprocess.run(
        command,
        cwd=folder,
        env=stack.laptop.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_run_of_a_plain_script_is_told_with_a_link(
    running: RehearsedStack, chat: Server, tmp_path: Path
) -> None:
    done = run(running, sys.executable, "-c", TRAINING, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (asked,) = chat.asked
    told = json.loads(asked.body)
    assert (told["name"], told["state"]) == ("told", "FINISHED")
    assert told["metrics"] == [{"name": "accuracy", "value": "0.97", "change": ""}]
    run_id = done.stdout.split()[-1]
    assert told["link"].startswith(f"{running.tracking_uri}/#/")
    assert run_id in told["link"]
    role = running.deployment.outputs["teams"][TEAM]["writerRoleArn"]
    kept = Api(running, running.prerequisites.take(PERSON, role)).get("2.0/mlflow/runs/get", run_id=run_id)
    assert {"key": tags.NOTIFIED, "value": "FINISHED"} in kept.json()["run"]["data"]["tags"]
    assert SECRET not in done.stdout + done.stderr + kept.text


def test_writer_tries_the_chat(running: RehearsedStack, chat: Server, tmp_path: Path) -> None:
    assert run(running, str(COMMAND), "chat", "test", folder=tmp_path).returncode == 0
    assert len(chat.asked) == 1


def test_team_without_a_chat_tells_nobody(running: RehearsedStack, tmp_path: Path) -> None:
    tried = run(running, str(COMMAND), "chat", "test", folder=tmp_path)
    assert tried.returncode == 2
    assert running.deployment.outputs["teams"][TEAM]["chatParameter"] in tried.stderr
    trained = run(running, sys.executable, "-c", TRAINING, folder=tmp_path)
    assert (trained.returncode, "chat" in trained.stderr) == (0, False), trained.stderr
