"""A small stack to try clients on: the rights of `infra/` in the emulator, MLflow's own server on SQLite."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import policies
from rehearsal.certificates import CertificateAuthority
from rehearsal.emulator import REGION, ROOT_KEY, Emulator
from rehearsal.prerequisites import Prerequisites
from rehearsal.processes import Process, free_port

PROJECT = Path(__file__).parent.parent.parent
COMMAND_SECONDS = 120.0
BUCKET = "stand-in-artifacts"
BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
TEAMS = {"vision": "ada", "speech": "grace"}
SERVER_SECONDS = 90.0
EVERYTHING = policies.document(policies.allow("s3:*", on=["*"]))


class StandIn:
    """The running stack.

    Attributes:
        prerequisites: with a person for each team; its environment is a laptop's.
        outputs: the stack's outputs.
        tracking_uri: where the server answers.
    """

    def __init__(self, emulator: Emulator, folder: Path, tracking_uri: str) -> None:
        self._iam = emulator.client("iam")
        self.s3 = emulator.client("s3")
        self.prerequisites = Prerequisites(emulator, folder, domain="localhost")
        self.tracking_uri = tracking_uri
        self._make_bucket()
        self.outputs: dict[str, Any] = {
            "trackingUri": tracking_uri,
            "region": REGION,
            "artifactBucket": BUCKET,
            "teams": {team: self._add_team(team, person) for team, person in TEAMS.items()},
        }

    @contextmanager
    def rights(self, role: str, document: policies.Document) -> Iterator[None]:
        """Give a role more rights, or fewer, while the context is open."""
        self._iam.put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=json.dumps(document))
        try:
            yield
        finally:
            self._iam.delete_role_policy(RoleName=role, PolicyName="more")

    @contextmanager
    def public_bucket(self) -> Iterator[None]:
        """Let everybody read the bucket while the context is open."""
        everybody = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [BUCKET_ARN, f"{BUCKET_ARN}/*"],
        }
        self.s3.delete_public_access_block(Bucket=BUCKET)
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policies.document(everybody)))
        try:
            yield
        finally:
            self._close_bucket()

    def _make_bucket(self) -> None:
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._close_bucket()

    def _close_bucket(self) -> None:
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policies.guard_artifacts(BUCKET_ARN, {})))
        self.s3.put_public_access_block(
            Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(closed, True)
        )

    def _add_team(self, team: str, person: str) -> dict[str, str]:
        trust = json.dumps(policies.trust_principals((self.prerequisites.add_person(person),)))
        arns = {}
        for access, rights in (
            ("writer", policies.write_team_artifacts),
            ("reader", policies.read_team_artifacts),
        ):
            name = f"{team}-{access}"
            role = self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
            self._iam.put_role_policy(
                RoleName=name, PolicyName="artifacts", PolicyDocument=json.dumps(rights(BUCKET_ARN, team))
            )
            arns[f"{access}RoleArn"] = role["Arn"]
        post = urllib.request.Request(
            f"{self.tracking_uri}/api/3.0/mlflow/workspaces",
            data=json.dumps({"name": team}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(post):
            return {
                **arns,
                "workspace": team,
                "artifactRoot": f"s3://{BUCKET}/workspaces/{team}",
                "chatParameter": f"/stand-in/chat/{team}",
            }


@contextmanager
def stand_in(folder: Path) -> Iterator[StandIn]:
    """Run the stack while the context is open."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with (
        Emulator(folder, CertificateAuthority(folder)) as emulator,
        Process(
            "MLflow",
            [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--port", str(port)],
            environment={
                "PATH": "/usr/bin:/bin",
                "HOME": str(folder),
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": emulator.url,
                "AWS_CA_BUNDLE": str(emulator.ca_bundle),
                **{name.upper(): value for name, value in ROOT_KEY.items()},
                "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
                "_MLFLOW_SERVER_ARTIFACT_ROOT": f"s3://{BUCKET}",
                "MLFLOW_ENABLE_WORKSPACES": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
                "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": uri,
            },
            log=folder / "mlflow.log",
        ) as server,
    ):

        def reason_not_ready() -> str | None:
            try:
                with urllib.request.urlopen(f"{uri}/health", timeout=2):
                    return None
            except (urllib.error.URLError, OSError) as error:
                return str(error)

        server.wait_ready(reason_not_ready, seconds=SERVER_SECONDS)
        yield StandIn(emulator, folder, uri)


class Laptop:
    """The machine of somebody who knows the stack by its outputs alone.

    Attributes:
        environment: what its shell exports.
    """

    def __init__(self, stack: StandIn, folder: Path) -> None:
        self.folder = folder
        self.outputs = folder / "outputs.json"
        self.outputs.write_text(json.dumps(stack.outputs))
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            **stack.prerequisites.environment,
            "AWS_CONFIG_FILE": str(folder / "config"),
        }

    def start(self, *command: str | Path, **more: str) -> subprocess.Popen[str]:
        """Start a Python program in the checkout."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str | Path, **more: str) -> tuple[int, str]:
        """Run a Python program in the checkout; return its exit code and what it said."""
        with self.start(*command, **more) as child:
            said, _ = child.communicate(timeout=COMMAND_SECONDS)
            return child.returncode, said

    def onboard(self, *options: str | Path, person: str = "ada") -> tuple[int, str]:
        """Run the onboarding script for the vision team."""
        return self.run(*self.onboarding(*options, person=person))

    def onboarding(self, *options: str | Path, person: str = "ada") -> list[str | Path]:
        """Return the command that joins the vision team."""
        env_file = self.folder / "vision.env"
        return [
            "scripts/onboard.py", "--team", "vision", "--outputs", self.outputs,
            "--source-profile", person, "--env-file", env_file, *options,
        ]  # fmt: skip

    def load(self, env_file: Path) -> None:
        """Export what an environment file says."""
        lines = [line for line in env_file.read_text().splitlines() if not line.startswith("#")]
        self.environment |= dict(line.split("=", 1) for line in lines)
