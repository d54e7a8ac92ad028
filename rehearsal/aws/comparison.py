"""Holds what was declared against what AWS describes, property by property."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_INSTRUCTION = "tells the provider what to do, AWS has nothing to describe"
_UNDESCRIBED = "the emulator takes it and does not describe it"
_IN_THE_IMAGE = "stands in the image's config, which ECR does not describe"
# (type, property): why it is not to be found, as declared, in what AWS describes. Every other difference is a
# fault, and so is an entry that is no longer met.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("aws:ec2/flowLog:FlowLog", "iamRoleArn"): _UNDESCRIBED,
    ("aws:ec2/natGateway:NatGateway", "allocationId"): _UNDESCRIBED,
    ("aws:ecr/repository:Repository", "forceDelete"): _INSTRUCTION,
    ("aws:ecs/service:Service", "waitForSteadyState"): _INSTRUCTION,
    ("aws:ecs/taskDefinition:TaskDefinition", "skipDestroy"): _INSTRUCTION,
    ("aws:rds/instance:Instance", "deleteAutomatedBackups"): _INSTRUCTION,
    ("aws:rds/instance:Instance", "enabledCloudwatchLogsExports"): _UNDESCRIBED,
    ("aws:rds/instance:Instance", "finalSnapshotIdentifier"): _INSTRUCTION,
    ("aws:rds/instance:Instance", "skipFinalSnapshot"): _INSTRUCTION,
    ("aws:route53/record:Record", "allowOverwrite"): _INSTRUCTION,
    ("aws:s3/bucket:Bucket", "forceDestroy"): _INSTRUCTION,
    ("aws:ssm/parameter:Parameter", "valueWo"): _INSTRUCTION,
    ("aws:ssm/parameter:Parameter", "valueWoVersion"): _INSTRUCTION,
    ("docker-build:index:Image", "buildArgs"): _INSTRUCTION,
    ("docker-build:index:Image", "buildOnPreview"): _INSTRUCTION,
    ("docker-build:index:Image", "context"): _INSTRUCTION,
    ("docker-build:index:Image", "labels"): _IN_THE_IMAGE,
    ("docker-build:index:Image", "network"): _INSTRUCTION,
    ("docker-build:index:Image", "platforms"): _IN_THE_IMAGE,
    ("docker-build:index:Image", "push"): _INSTRUCTION,
    ("docker-build:index:Image", "registries"): _INSTRUCTION,
}

MISSING = object()


def differences(declared: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, str]:
    """Return the declared properties that AWS does not describe as declared.

    Args:
        declared: inputs by property.
        described: properties as the handler read them. What was not declared may be there too: defaults.

    Returns:
        Path of the property to a sentence; list positions are left out of paths. Exceptions are among them.
    """
    return dict(_differences(declared, described, ()))


def _differences(
    declared: Any, described: Any, path: tuple[str, ...], *, in_document: bool = False
) -> Iterator[tuple[str, str]]:
    parsed = _parsed(declared)
    if parsed is not None and not in_document:
        yield from _differences(parsed, _parsed(described), path, in_document=True)
    elif isinstance(declared, Mapping) and isinstance(described, Mapping):
        # In an IAM document what is there without being declared is a right that nobody meant to give.
        if "Statement" in declared and declared != described:
            yield ".".join(path), f"declared {declared}, described {described}"
            return
        # To Pulumi a null is no declaration.
        for key, value in ((key, value) for key, value in declared.items() if value is not None):
            yield from _differences(value, described.get(key, MISSING), (*path, key), in_document=in_document)
    elif isinstance(declared, list) and isinstance(described, list) and len(declared) == len(described):
        if not in_document:
            declared, described = _as_sets(declared), _as_sets(described)
        for one, other in zip(declared, described, strict=True):
            yield from _differences(one, other, path, in_document=in_document)
    elif described is MISSING:
        yield ".".join(path), f"declared {declared!r}, not described"
    elif _leaf(declared) != _leaf(described):
        yield ".".join(path), f"declared {declared!r}, described {described!r}"


def _as_sets(values: list[Any]) -> list[Any]:
    """Return a list of texts in order: to the provider, ids and names are sets."""
    return sorted(values) if all(isinstance(value, str) for value in values) else values


def _leaf(value: Any) -> Any:
    """Return a value in the one form that counts: a DNS name is the same with its final dot."""
    return value.removesuffix(".") if isinstance(value, str) else value


def _parsed(value: Any) -> Any:
    """Return the parsed form of a JSON object or list, None for any other value."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return None
