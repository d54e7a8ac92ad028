"""The emulator, with what its IAM lacks: it does not know which parameters GetParametersByPath asks for."""
# ruff: noqa: INP001 - run as a file, in the emulator's own environment

import json
from typing import Any

from ministack.app import app  # pyright: ignore[reportMissingImports]
from ministack.core import iam_actions  # pyright: ignore[reportMissingImports]

__all__ = ["app"]

BY_PATH = "AmazonSSM.GetParametersByPath"
_of_every_other_request = iam_actions.extract_resource_arn


def _resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
    """Name the path as the resource, as AWS does; the emulator would name every parameter there is."""
    if service == "ssm" and headers.get("x-amz-target") == BY_PATH:
        body = json.dumps({"Name": json.loads(body)["Path"]}).encode()
    return str(_of_every_other_request(service, method, path, headers, body, *rest))


# The emulator looks it up in its module at each request.
iam_actions.extract_resource_arn = _resource_arn
