"""boto3's clients with answers prepared, each of which must be asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.stub import Stubber

KEYS = {"region_name": "eu-west-1", "aws_access_key_id": "-", "aws_secret_access_key": "-"}


@contextmanager
def stubbed(*services: str) -> Iterator[dict[str, Stubber]]:
    stubbers = {name: Stubber(boto3.client(name, **KEYS)) for name in services}
    for stubber in stubbers.values():
        stubber.activate()
    yield stubbers
    for stubber in stubbers.values():
        stubber.assert_no_pending_responses()
