"""The check that the artifact root is there and the task role may list it, before anything is written."""

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import ArtifactRootError
from .settings import Backend

ONE_TRY_SECONDS = 5
TRIES = 3
WORDS = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "the task role may not list it: it needs s3:ListBucket under the prefix workspaces/*",
    "PermanentRedirect": "the bucket is in another region",
}


def check(backend: Backend, seconds: float = ONE_TRY_SECONDS, tries: int = TRIES) -> None:
    """List one key below the artifact root, as the server does when it shows artifacts.

    Args:
        backend: names the root.
        seconds: for a connection, and again for each answer.
        tries: at most.

    Raises:
        ArtifactRootError: there is no such bucket, no right, no answer or no credentials.
    """
    bucket, _, prefix = backend.artifact_root.removeprefix("s3://").partition("/")
    limits = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": tries})
    try:
        client = boto3.client("s3", region_name=backend.region, config=limits)
        client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/workspaces/".lstrip("/"), MaxKeys=1)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reason = WORDS.get(code, f"S3 answers {code}")
    except BotoCoreError as error:
        reason = str(error)
    else:
        return
    raise ArtifactRootError(f"the artifact root {backend.artifact_root} cannot be used: {reason}")
