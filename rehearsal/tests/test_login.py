"""The login from end to end: a job that outlives its tokens, and logs that never hold one."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from rehearsal.stack import RehearsedStack
from rehearsal.teams import OTHER_PERSON, OTHER_TEAM, PERSON, READER, TEAM
from rehearsal.tests.login import Api

# A third is renewed: a machine may stand still for the other two, and does.
SHORT_SECONDS, TOKENS = 9, 4
SEARCH = "2.0/mlflow/experiments/search"
REQUESTS, THREADS = 300, 6
# What a person writes, but for the end: it trains until its fourth token.
TRAINING = """
import os, time
import mlflow

mlflow.set_experiment("long-job")
deadline = time.monotonic() + 60
with mlflow.start_run() as run:
    step = 0
    while len(open(os.environ["SEEN"]).readlines()) < int(os.environ["ENOUGH"]):
        assert time.monotonic() < deadline
        mlflow.log_metric("loss", 1 / (1 + step), step=step)
        step += 1
    mlflow.log_text("weights", "model.txt")
print(run.info.run_id, step)
"""
# Python runs it before the script: tokens live short, and what was signed is noted.
SHORT_LIVES = f"""
import json, os
from mlflow_team import token

open(os.environ["SEEN"], "w").close()
token.TOKENS._lifetime = {SHORT_SECONDS}
sign = token.TokenSource._sign

def noted(self, origin):
    made = sign(self, origin)
    key = self._session_of(origin).get_credentials().access_key
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(json.dumps([made.text, key]) + "\\n")
    return made

token.TokenSource._sign = noted
"""

pytestmark = pytest.mark.rehearsal


def test_job_that_outlives_three_tokens_and_its_sessions_never_notices(
    running: RehearsedStack, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHORT_LIVES)
    seen = tmp_path / "seen"
    joined = running.laptop.environment
    # boto3 renews sessions in their last fifteen minutes: of the shortest session, that is always.
    config = Path(joined["AWS_CONFIG_FILE"]).read_text()
    short = config.replace("duration_seconds = 3600", "duration_seconds = 900")
    assert short != config
    (tmp_path / "config").write_text(short)
    done = subprocess.run(
        [sys.executable, "-c", TRAINING],
        env={
            **joined,
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "PYTHONPATH": str(tmp_path),
            "SEEN": str(seen),
            "ENOUGH": str(TOKENS),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    signed = [json.loads(line) for line in seen.read_text().splitlines()]
    assert len({token for token, _ in signed}) >= TOKENS
    assert len({key for _, key in signed}) >= TOKENS
    assert "401" not in done.stderr

    run_id, steps = done.stdout.split()[-2:]
    api = Api(running, running.prerequisites.take(PERSON, role(running, TEAM, "writer")))
    history = api.get("2.0/mlflow/metrics/get-history", run_id=run_id, metric_key="loss").json()
    assert [int(point["step"]) for point in history["metrics"]] == [*range(int(steps))]

    # Its first token had ended indeed.
    ended = api.bare(SEARCH, f"Bearer {signed[0][0]}")
    assert (ended.status_code, ended.json()["error_code"]) == (401, "UNAUTHENTICATED")


def role(stack: RehearsedStack, team: str, level: str) -> str:
    assert stack.deployment
    return str(stack.deployment.outputs["teams"][team][f"{level}RoleArn"])


def test_no_log_holds_a_token(running: RehearsedStack) -> None:
    sessions = [
        running.prerequisites.take(PERSON, role(running, TEAM, "writer"), "ada-in-the-log"),
        running.prerequisites.take(READER, role(running, TEAM, "reader"), "ben"),
        running.prerequisites.take(OTHER_PERSON, role(running, OTHER_TEAM, "writer"), "grace"),
    ]
    callers = [Api(running, keys) for keys in sessions]
    assert [api.status() for api in callers] == [200, 200, 200]
    tokens = [api.login.token for api in callers]
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda ask: ask(), _questions(callers, tokens)))
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 403, 404}

    logs = [log for log in running.logs.glob("*.log") if log.name != "emulator.log"]
    text = "".join(log.read_text(errors="replace") for log in logs)
    assert "ada-in-the-log" in text, "the audit line of a write, without which nothing was looked at"
    for secret in [
        "mlflow-aws-v1",
        "X-Amz-Signature=",
        *(token[40:80] for token in tokens),
        *(keys[name] for keys in sessions for name in ("aws_session_token", "aws_secret_access_key")),
    ]:
        assert [line for line in text.splitlines() if secret in line] == []
    # A token sent as a run's id comes back to its sender as one; no refused login does.
    for answer in (each for each in answers if each.status_code == 401):
        assert "mlflow-aws-v1" not in answer.text
        assert "X-Amz-Signature=" not in answer.text


def _questions(callers: list[Api], tokens: list[str]) -> list[Callable[[], requests.Response]]:
    """Return a few hundred requests of all kinds, those that fail loudest among them."""

    def ask(number: int) -> requests.Response:
        api, token = callers[number % len(callers)], tokens[number % len(tokens)]
        kinds: list[Callable[[], Any]] = [
            lambda: api.get(SEARCH, max_results="1"),
            lambda: api.get(SEARCH, max_results="none", token=token),
            lambda: api.get(f"2.0/mlflow/runs/get?run_id={token}"),
            lambda: api.get(f"no-such-route/{token}"),
            lambda: api.get(SEARCH, {"X-MLFLOW-WORKSPACE": token}, max_results="1"),
            lambda: api.get(SEARCH, {"Origin": token, "Host": token[:60]}, max_results="1"),
            lambda: api.post("2.0/mlflow/experiments/create", name=f"in-the-log-{number}"),
            lambda: api.post("2.0/mlflow/runs/create", experiment_id=token),
            lambda: api.bare(SEARCH, f"Bearer {token[:-9]}AAAAAAAAA"),
            lambda: api.bare(SEARCH, f"Bearer {token}{token}"),
            lambda: api.bare(SEARCH, f"Basic {token}"),
        ]
        return kinds[number % len(kinds)]()

    return [lambda number=number: ask(number) for number in range(REQUESTS)]
