"""The Docker that builds the server's image: looked for before anything is made."""

import os
import subprocess

from faults import Fault

# Finds Docker as Pulumi's provider does: DOCKER_HOST, else DOCKER_CONTEXT, else the current context.
COMMAND = ("docker", "version", "--format", "{{.Server.Version}}")
SECONDS = 20
# Docker's command line, which the provider embeds, reads these as no.
BUILDKIT_OFF = {"0", "f", "F", "FALSE", "false", "False"}


def docker_fault() -> Fault | None:
    """Return what keeps Docker from building an image, after it was asked for its version."""
    missing = _what_is_missing()
    if not missing:
        return None
    return Fault(
        key="image",
        received=f"nothing, and no Docker to build one: {missing}",
        allowed="nothing where Docker runs (start it, and try again), or a ready image",
        command="pulumi config set image 111122223333.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking:1",
    )


def _what_is_missing() -> str:
    if os.environ.get("DOCKER_BUILDKIT") in BUILDKIT_OFF:
        return "DOCKER_BUILDKIT switches off BuildKit, which builds it"
    try:
        answer = subprocess.run(COMMAND, capture_output=True, text=True, timeout=SECONDS, check=False)
    except OSError as error:
        return f"the command docker cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"docker version did not answer within {SECONDS} s"
    if answer.returncode:
        return " ".join(answer.stderr.split()) or f"docker version ended with {answer.returncode}"
    return ""
