import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

import policies
from rehearsal.processes import free_port
from scripts.tests.stand_in import BUCKET, PROJECT, Laptop, StandIn

pytestmark = pytest.mark.rehearsal


def deny(action: str) -> policies.Document:
    return policies.document({"Effect": "Deny", "Action": action, "Resource": "*"})


def test_hello_run_is_logged_with_the_role_and_its_artifact_lies_in_s3(
    stack: StandIn, laptop: Laptop
) -> None:
    code, said = laptop.onboard()
    assert code == 0, said
    assert "assumed-role/vision-writer/mlflow-" in said
    seen = re.search(r"hello run: experiments/(\d+)/runs/(\w+)$", said, re.MULTILINE)
    assert seen, said
    key = f"workspaces/vision/{seen[1]}/{seen[2]}/artifacts/hello.txt"
    request = urllib.request.Request(
        f"{stack.tracking_uri}/api/2.0/mlflow/runs/get?run_id={seen[2]}",
        headers={"X-MLFLOW-WORKSPACE": "vision"},
    )
    with urllib.request.urlopen(request) as answer:
        run = json.load(answer)["run"]
    assert run["info"]["status"] == "FINISHED"
    assert [(each["key"], each["value"]) for each in run["data"]["params"]] == [("profile", "mlflow-vision")]
    assert [(each["key"], each["value"]) for each in run["data"]["metrics"]] == [("hello", 1.0)]
    assert b"straight to S3" in stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_reader_joins_with_reading_alone(stack: StandIn, laptop: Laptop) -> None:
    code, said = laptop.onboard("--access", "reader")
    assert code == 0, said
    assert "assumed-role/vision-reader/" in said


def test_reader_who_may_not_list_is_told(stack: StandIn, laptop: Laptop) -> None:
    with stack.rights("vision-reader", deny("s3:ListBucket")):
        code, said = laptop.onboard("--access", "reader")
    assert code == 1, said
    assert f"role/vision-reader what a reader needs under s3://{BUCKET}/workspaces/vision" in said


def test_somebody_of_another_team_is_told_who_must_let_them_in(stack: StandIn, laptop: Laptop) -> None:
    code, said = laptop.onboard(person="grace")
    assert code == 2, said
    assert "nothing was written" in said
    assert not (laptop.folder / "vision.env").exists()
    assert re.search(r"user/grace may not assume arn:\S+:role/vision-writer\. Ask", said), said


def test_keys_that_aws_does_not_know_are_told(stack: StandIn, laptop: Laptop) -> None:
    keys = laptop.folder / "credentials"
    keys.write_text("[stale]\naws_access_key_id = AKIASTALE00000000000\naws_secret_access_key = stale\n")
    laptop.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(keys)
    code, said = laptop.onboard(person="stale")
    assert code == 2, said
    assert "nothing was written" in said
    assert "AWS does not know the credentials of profile stale" in said


def test_denied_upload_names_the_role_and_the_prefix(stack: StandIn, laptop: Laptop) -> None:
    with stack.rights("vision-writer", deny("s3:PutObject")):
        code, said = laptop.onboard()
    assert code == 1, said
    assert f"role/vision-writer what a writer needs under s3://{BUCKET}/workspaces/vision" in said


def test_outputs_of_another_stack_are_noticed_before_an_artifact_is_written(
    stack: StandIn, laptop: Laptop
) -> None:
    laptop.outputs.write_text(json.dumps(stack.outputs).replace(BUCKET, "another-bucket"))
    code, said = laptop.onboard()
    assert code == 1, said
    assert "the stack's outputs say s3://another-bucket/workspaces/vision" in said


@pytest.mark.parametrize("access", ["writer", "reader"])
def test_workspace_that_the_server_does_not_have_is_told(stack: StandIn, laptop: Laptop, access: str) -> None:
    laptop.outputs.write_text(
        json.dumps(stack.outputs).replace('"vision"', '"optics"').replace("s/vision", "s/optics")
    )
    code, said = laptop.onboard("--team", "optics", "--access", access)
    assert code == 1, said
    assert "the server refused workspace optics" in said


def test_ctrl_c_while_waiting_for_the_server_can_be_taken_back(stack: StandIn, laptop: Laptop) -> None:
    silent = f"http://127.0.0.1:{free_port()}"
    with laptop.start(*laptop.onboarding("--tracking-uri", silent), PYTHONUNBUFFERED="1") as child:
        said = next(line for line in child.stdout or () if "waiting for the server" in line)
        assert "Connection refused" in said
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == 130
    assert (laptop.folder / "vision.env").exists()
    env_file = laptop.folder / "vision.env"
    assert laptop.run("scripts/onboard.py", "--undo", "--team", "vision", "--env-file", env_file)[0] == 0
    assert not env_file.exists()
    assert not Path(laptop.environment["AWS_CONFIG_FILE"]).exists()


def test_printed_commands_load_the_environment_and_take_it_back(laptop: Laptop) -> None:
    code, said = laptop.onboard()
    assert code == 0, said
    printed = dict(re.findall(r"^(next|take it back): (.*)$", said, re.MULTILINE))

    def shell(command: str) -> str:
        return subprocess.run(
            ["sh", "-e", "-c", command],
            cwd=PROJECT, env=laptop.environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    loaded = shell(f"{printed['next']}; exec printenv MLFLOW_WORKSPACE AWS_PROFILE")
    assert loaded == "vision\nmlflow-vision\n"
    shell(printed["take it back"])
    assert not (laptop.folder / "vision.env").exists()
    assert not Path(laptop.environment["AWS_CONFIG_FILE"]).exists()
