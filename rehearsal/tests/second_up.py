"""A second `up` of a stack that runs: what changed is changed in place, as Pulumi would; all else stays."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.aws.cloud import EmulatedAws
from rehearsal.deployment import Deployment, Resource
from rehearsal.emulator import Emulator
from rehearsal.wire import reveal


class SecondUp:
    """Plays the cloud to a stack that is deployed already.

    Attributes:
        made: logical names of the new resources.
        changed: logical names of those that were changed in place.
    """

    def __init__(self, emulator: Emulator, before: Deployment) -> None:
        self._emulator = emulator
        self._cloud = EmulatedAws(emulator.client)
        self._before = {resource.urn: resource for resource in before.resources}
        self.made: list[str] = []
        self.changed: list[str] = []

    def configure(self, settings: Mapping[str, str]) -> None:
        self._cloud.configure(settings)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._cloud.invoke(token, arguments)

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        before = self._before.get(resource.urn)
        if before is None:
            self.made.append(resource.name)
            return self._cloud.create(resource)
        if before.inputs != resource.inputs:
            # Any other type of resource must not change with the teams.
            UPDATES[resource.type](self._emulator, before, resource.inputs)
            self.changed.append(resource.name)
        return before.id, reveal(before.outputs) | resource.inputs

    def gone(self, after: Deployment) -> set[str]:
        """Return the names of the resources that Pulumi would delete."""
        kept = {resource.urn for resource in after.resources}
        return {resource.name for urn, resource in self._before.items() if urn not in kept}


def _parameter(emulator: Emulator, before: Resource, inputs: dict[str, Any]) -> None:
    emulator.client("ssm").put_parameter(
        Name=before.id, Type=inputs["type"], Value=inputs["insecureValue"], Overwrite=True
    )


def _bucket_policy(emulator: Emulator, _: Resource, inputs: dict[str, Any]) -> None:
    emulator.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])


def _role(emulator: Emulator, before: Resource, inputs: dict[str, Any]) -> None:
    changed = {key for key, value in inputs.items() if before.inputs.get(key) != value}
    assert changed == {"assumeRolePolicy"}
    trust = inputs["assumeRolePolicy"]
    emulator.client("iam").update_assume_role_policy(
        RoleName=before.id, PolicyDocument=trust if isinstance(trust, str) else json.dumps(trust)
    )


UPDATES: dict[str, Callable[[Emulator, Resource, dict[str, Any]], None]] = {
    "aws:ssm/parameter:Parameter": _parameter,
    "aws:s3/bucketPolicy:BucketPolicy": _bucket_policy,
    "aws:iam/role:Role": _role,
}
