"""A 500 MB artifact, logged and fetched by MLflow's client of our stack, and by boto3 alone.

"Our stack" is what is deployed: a script with the client package logs in by its team's role, our server
behind its login makes the run and says where its artifacts lie, and MLflow's client sends the file to S3
itself, with that role and under the policy that the stack gives it. No byte passes through the server. STS
alone is not asked, as elsewhere in this benchmark. boto3 does the same with the same credentials, to the same
prefix. Both send some seconds after they began, as who trains does: what the start of a run costs is
`make bench-client`'s to say.

S3 is the emulator's: a process of Python on the same cores, which takes far longer than either client. So a
ratio near 1 says that we add nothing to what boto3 needs, and the rate says nothing of S3's own.
"""

import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.contestants import Contestant
from benchmarks.installations import ROOT
from benchmarks.login_server import HOST, PLACE, TEAM
from benchmarks.login_server import ROOT as ARTIFACTS
from benchmarks.results import Pair, Result
from rehearsal.certificates import CertificateAuthority
from rehearsal.emulator import ACCOUNT_ID, REGION, Emulator
from rehearsal.postgres import Postgres

NAME = "artifact_500mb"
MEGABYTES = 500
MEGABYTE = 10**6
SECONDS = 300.0
# By then the package has recorded the run's conditions, in the background.
TRAINED_SECONDS = 5
BUCKET = ARTIFACTS.removeprefix("s3://")
POLICIES = runpy.run_path(str(ROOT / "infra" / "policies.py"))
TIMED = """
import filecmp, json, os, shutil, sys, tempfile, time
import boto3

file, bucket = sys.argv[1:]
folder = tempfile.mkdtemp(dir=".")
fetched = folder + "/model.bin"
taken = []

def timed(does, *words, **named):
    begun = time.perf_counter()
    does(*words, **named)
    taken.append(time.perf_counter() - begun)

def arrived(key):
    # The client package may keep a file that S3 does not take, and send it before the next download.
    held = boto3.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    assert held == os.path.getsize(file), held
"""
OURS = f"""
import mlflow

with mlflow.start_run() as run:
    time.sleep({TRAINED_SECONDS})
    timed(mlflow.log_artifact, file)
    arrived(mlflow.get_artifact_uri("model.bin").removeprefix("s3://" + bucket + "/"))
    run_id = run.info.run_id
    timed(mlflow.artifacts.download_artifacts, run_id=run_id, artifact_path="model.bin", dst_path=folder)
"""
# MLflow makes its S3 client in the first call and keeps it; so does this.
BARE = f"""
key = "workspaces/{TEAM}/bare"

def send():
    global client
    client = boto3.client("s3")
    client.upload_file(file, bucket, key)

time.sleep({TRAINED_SECONDS})
timed(send)
arrived(key)
timed(lambda: client.download_file(bucket, key, fetched))
"""
SAID = """
assert filecmp.cmp(file, fetched, shallow=False)
shutil.rmtree(folder)
print(json.dumps(taken))
"""


def measured(postgres: Postgres, pythons: Mapping[str, Path], pairs: int) -> list[Result]:
    """Return MB/s of both ways, boto3's as the bound.

    Raises:
        RuntimeError: a script failed, or what came back, or lies in S3, is not what was sent.
    """
    print(f"{NAME}: starting emulator and server", flush=True)
    ways: dict[str, list[Pair]] = {NAME: [], f"{NAME}_download": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-artifact-")))
        emulator = stack.enter_context(Emulator(folder, CertificateAuthority(folder)))
        server = Contestant("ours", pythons, postgres)
        stack.enter_context(server.started())
        file = folder / "model.bin"
        with file.open("wb") as written:
            for _ in range(MEGABYTES):
                written.write(os.urandom(MEGABYTE))
        environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "AWS_SHARED_CREDENTIALS_FILE": str(_role(emulator, folder)),
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": emulator.url,
            "AWS_CA_BUNDLE": str(emulator.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{server.port}",
            "MLFLOW_EXPERIMENT_NAME": NAME,
            "MLFLOW_TRACKING_AUTH": "aws-role",
            "MLFLOW_TEAM_STS_REGION": PLACE.region,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        # The first pair only warms the page cache.
        for pair in range(pairs + 1):
            taken: dict[str, Any] = {}
            for name, script in sorted({"ours": OURS, "bound": BARE}.items(), reverse=bool(pair % 2)):
                taken[name] = _run(script, file, environment)
                _clear(emulator)
            print(f"{NAME}, pair {pair}, s there and back: {taken}", flush=True)
            if pair:
                for way, collected in enumerate(ways.values()):
                    collected.append({name: MEGABYTES / seconds[way] for name, seconds in taken.items()})
    return [results.result(scenario, "MB/s", collected, rate=True) for scenario, collected in ways.items()]


def _role(emulator: Emulator, folder: Path) -> Path:
    """Make bucket and role as the stack does, and return the file with the role's credentials."""
    location = {"LocationConstraint": REGION}
    emulator.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
    iam, name = emulator.client("iam"), f"{TEAM}-writer"
    trust = POLICIES["trust_principals"]((f"arn:aws:iam::{ACCOUNT_ID}:root",))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    rights = json.dumps(POLICIES["write_team_artifacts"](f"arn:aws:s3:::{BUCKET}", TEAM))
    iam.put_role_policy(RoleName=name, PolicyName="artifacts", PolicyDocument=rights)
    given = emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="ada")["Credentials"]
    file = folder / "credentials"
    file.touch(mode=0o600)
    file.write_text(
        f"[default]\naws_access_key_id = {given['AccessKeyId']}\n"
        f"aws_secret_access_key = {given['SecretAccessKey']}\naws_session_token = {given['SessionToken']}\n"
    )
    return file


def _run(script: str, file: Path, environment: Mapping[str, str]) -> list[float]:
    """Return the seconds for sending and for fetching, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED + script + SAID, str(file), BUCKET], env=environment, cwd=file.parent,
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{NAME}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _clear(emulator: Emulator) -> None:
    """Take everything away: the emulator holds it in memory."""
    client = emulator.client("s3")
    for held in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=held["Key"])
