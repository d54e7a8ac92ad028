"""Who is shut out of the running stack is out within a minute, without a redeploy, and comes in again."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from mlflow_team import tags
from mlflow_team.chat.address import UNSET
from rehearsal.engine import deploy
from rehearsal.laptop import ROOT
from rehearsal.processes import wait_until
from rehearsal.project import Project
from rehearsal.stack import STACK, RehearsedStack
from rehearsal.teams import JOB, OTHER_PERSON, OTHER_TEAM, PERSON, READER, TEAM
from rehearsal.tests.login import Api
from rehearsal.tests.second_up import SecondUp

MINUTE = 60.0
SERVER = "tracking-server"
NEW_TEAM = "audio"
OF_A_PERSON = "https://chat.example.com/theirs"
HOUR = timedelta(hours=1)
TRAINING = """
import mlflow
mlflow.set_experiment("first")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.5)
    mlflow.log_text("a note", "note.txt")
"""

pytestmark = pytest.mark.rehearsal


def parameter_name(stack: RehearsedStack, team: str) -> str:
    assert stack.task is not None
    return f"{stack.task.environment_of(SERVER)['ACCESS_LIST']}/teams/{team}"


def within_a_minute(api: Api, status: int) -> None:
    wait_until(
        lambda: None if (found := api.status()) == status else f"answers {found}, not {status}",
        what="the API",
        seconds=MINUTE,
        poll=0.5,
    )


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def entry(stack: RehearsedStack, **changed: Any) -> Iterator[None]:
    """Change the vision team's entry in the access list while the context is open."""
    ssm, name = stack.emulator.client("ssm"), parameter_name(stack, TEAM)
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    value = json.dumps(json.loads(before) | changed)
    ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    try:
        yield
    finally:
        ssm.put_parameter(Name=name, Value=before, Type="String", Overwrite=True)


@pytest.fixture(scope="module")
def callers(running: RehearsedStack) -> dict[str, Api]:
    teams = running.deployment.outputs["teams"]
    take = running.prerequisites.take
    return {
        "writer": Api(running, take(PERSON, teams[TEAM]["writerRoleArn"])),
        "reader": Api(running, take(READER, teams[TEAM]["readerRoleArn"])),
        "member": Api(running, take(PERSON, running.prerequisites.roles[JOB])),
        "other": Api(running, take(OTHER_PERSON, teams[OTHER_TEAM]["writerRoleArn"])),
    }


@pytest.fixture(autouse=True)
def same_task(running: RehearsedStack, callers: dict[str, Api]) -> Iterator[None]:
    """Hold the task against what it was: everybody is in, and neither it nor its definition changes."""
    assert running.task is not None
    server = running.task.started[SERVER]
    before = (running.task_definition(), server.pid)
    for api in callers.values():
        within_a_minute(api, 200)
    yield
    for api in callers.values():
        within_a_minute(api, 200)
    assert (running.task_definition(), server.pid, server.exit_code()) == (*before, None)


def test_a_time_shuts_a_team_out_and_no_other(running: RehearsedStack, callers: dict[str, Api]) -> None:
    with entry(running, notBefore=timestamp(datetime.now(UTC) + HOUR)):
        for level in ("writer", "reader", "member"):
            within_a_minute(callers[level], 403)
        said = callers["writer"].get("2.0/mlflow/experiments/search", max_results="1").json()
        assert said["error_code"] == "PERMISSION_DENIED"
        assert callers["other"].status() == 200


def test_a_role_is_taken_out_and_tokens_signed_before_a_time(
    running: RehearsedStack, callers: dict[str, Api]
) -> None:
    role = running.deployment.outputs["teams"][TEAM]["readerRoleArn"]
    s3 = running.emulator.client("s3", **running.prerequisites.take(READER, role))
    with entry(running, readers=[], notBefore=timestamp(datetime.now(UTC) + timedelta(seconds=1))):
        within_a_minute(callers["writer"], 403)
        assert callers["reader"].status() == 403
        for level in ("writer", "reader"):
            callers[level].login.forget()
        assert (callers["writer"].status(), callers["reader"].status()) == (200, 403)
        # The list shuts the API alone: S3 is IAM's, which `pulumi up` changes together with the list.
        bucket = running.deployment.outputs["artifactBucket"]
        s3.list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{TEAM}/")


def test_second_up_lets_in_a_new_team_and_shuts_out_whom_it_leaves_out(
    running: RehearsedStack, callers: dict[str, Api], tmp_path: Path
) -> None:
    assert running.deployment
    config = copy.deepcopy(running.config)
    (grace,) = config["teams"][OTHER_TEAM]["writers"]
    config["teams"][NEW_TEAM] = {"writers": [grace]}
    config["teams"][TEAM]["members"] = []
    config["teams"][OTHER_TEAM]["notBefore"] = timestamp(datetime.now(UTC) + HOUR)
    ssm, chat = running.emulator.client("ssm"), running.deployment.outputs["teams"][TEAM]["chatParameter"]
    ssm.put_parameter(Name=chat, Value=OF_A_PERSON, Type="SecureString", Overwrite=True)
    cloud = SecondUp(running.emulator, running.deployment)
    after = deploy(Project(ROOT), STACK, config, cloud=cloud, log=lambda _: None)
    try:
        definition = "aws:ecs/taskDefinition:TaskDefinition"
        for task in ("tracking-server-task", "migration-task"):
            assert after.one(definition, task).inputs == running.deployment.one(definition, task).inputs
        assert cloud.gone(after) == set()
        assert {name.rsplit("-", 1)[-1] for name in cloud.changed} >= {TEAM, OTHER_TEAM}, cloud.changed
        # What somebody set by hand stays.
        assert ssm.get_parameter(Name=chat, WithDecryption=True)["Parameter"]["Value"] == OF_A_PERSON
        within_a_minute(callers["member"], 403)
        within_a_minute(callers["other"], 403)
        assert (callers["writer"].status(), callers["reader"].status()) == (200, 200)
        role = after.outputs["teams"][NEW_TEAM]["writerRoleArn"]
        within_a_minute(Api(running, running.prerequisites.take(OTHER_PERSON, role)), 200)
        _train(running, role, tmp_path, team=NEW_TEAM)
    finally:
        back = SecondUp(running.emulator, after)
        deploy(Project(ROOT), STACK, running.config, cloud=back, log=lambda _: None)
        ssm.put_parameter(Name=chat, Value=UNSET, Type="SecureString", Overwrite=True)
        for name in (parameter_name(running, NEW_TEAM), after.outputs["teams"][NEW_TEAM]["chatParameter"]):
            ssm.delete_parameter(Name=name)


def _train(stack: RehearsedStack, role: str, folder: Path, *, team: str) -> None:
    """Run a plain MLflow script as somebody of the team."""
    keys = stack.prerequisites.take(OTHER_PERSON, role)
    joined = {name: value for name, value in stack.laptop.environment.items() if name != "AWS_PROFILE"}
    done = subprocess.run(
        [sys.executable, "-c", TRAINING],
        env={**joined, **{name.upper(): value for name, value in keys.items()}, "MLFLOW_WORKSPACE": team},
        # In no checkout: what is not committed in ours would be recorded too.
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=MINUTE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    bucket = stack.deployment.outputs["artifactBucket"]
    listed = stack.emulator.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"workspaces/{team}/")
    # The script's own, and the list of packages that the client records with each run.
    names = {entry["Key"].rsplit("/", 1)[1] for entry in listed["Contents"]}
    assert names == {"note.txt", PurePosixPath(tags.REQUIREMENTS).name}
