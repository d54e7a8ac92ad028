"""The Docker that builds the server's image: looked for before anything is made."""

import os
import subprocess

from faults import Fault

# Finds Docker as Pulumi's provider does: DOCKER_HOST, else DOCKER_CONTEXT, else the current context.
COMMAND = ("docker", "version", "--format", "{{.Server.Version}}")
SECONDS = 20
# What Docker's command line, which the provider embeds, reads as yes (Go's strconv.ParseBool), or unset.
BUILDKIT_ON = {"", "1", "t", "T", "TRUE", "true", "True"}


def docker_fault() -> Fault | None:
    """Return what keeps Docker from building an image, after it was asked for its version."""
    if (buildkit := os.environ.get("DOCKER_BUILDKIT", "")) not in BUILDKIT_ON:
        return Fault(
            key="DOCKER_BUILDKIT",
            received=buildkit,
            allowed="nothing, or 1: BuildKit builds the image",
            command="unset DOCKER_BUILDKIT",
        )
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
    try:
        answer = subprocess.run(COMMAND, capture_output=True, text=True, timeout=SECONDS, check=False)
    except OSError as error:
        return f"the command docker cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"docker version did not answer within {SECONDS} s"
    if answer.returncode:
        return " ".join(answer.stderr.split()) or f"docker version ended with {answer.returncode}"
    return ""
