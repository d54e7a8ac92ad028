"""The AWS provider, played on an emulated account: makes what is declared, answers with what is described."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal import sdk
from rehearsal.aws import (
    autoscaling,
    certificates_dns,
    ecr,
    ecs,
    iam,
    load_balancing,
    logs,
    network,
    rds,
    s3,
    ssm,
    traffic,
)
from rehearsal.aws.account import Account, Handler
from rehearsal.aws.comparison import EXCEPTIONS, differences
from rehearsal.aws.docker_image import IMAGE, Build, image_handler
from rehearsal.aws.functions import FUNCTIONS
from rehearsal.aws.inputs import Inputs
from rehearsal.aws.refusals import refuse_dangling_ids
from rehearsal.deployment import Deployment, Resource

HANDLERS: dict[str, Handler] = {
    **network.HANDLERS,
    **traffic.HANDLERS,
    **s3.HANDLERS,
    **iam.HANDLERS,
    **logs.HANDLERS,
    **rds.HANDLERS,
    **load_balancing.HANDLERS,
    **certificates_dns.HANDLERS,
    **ecr.HANDLERS,
    **ecs.HANDLERS,
    **autoscaling.HANDLERS,
    **ssm.HANDLERS,
}


class EmulatedAws:
    """One account, and the default provider that the stack's `aws:` keys configure."""

    def __init__(self, client: Callable[[str], Any], build: Build | None = None) -> None:
        """Nothing is asked yet.

        Args:
            client: makes boto3 clients: it knows endpoint, certificate authority, keys and region.
            build: builds and pushes an image and returns its digest; without it none can be declared.
        """
        self._account = Account(client)
        self._handlers = HANDLERS if build is None else {**HANDLERS, IMAGE: image_handler(build)}
        self._default_tags: dict[str, str] = {}

    def configure(self, settings: Mapping[str, str]) -> None:
        """Configure the provider.

        Args:
            settings: the stack's `aws:` keys without their namespace, objects as JSON.

        Raises:
            ValueError: a key that the rehearsal does not play, or a region other than the account's.
        """
        tags = json.loads(settings.get("defaultTags", "{}")).get("tags", {})
        unplayed = sorted(set(settings) - {"region", "defaultTags"})
        if unplayed:
            raise ValueError(
                f"aws:{', aws:'.join(unplayed)}: the rehearsal plays aws:region and aws:defaultTags only"
            )
        if settings.get("region") != self._account.region:
            raise ValueError(
                f"aws:region: received {settings.get('region')}, emulated is {self._account.region}"
            )
        self._default_tags = tags

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        """Make a resource and return its id and description.

        Raises:
            ValueError: an explicit provider, or an input that nothing was done with.
            LookupError: a type without a handler, or AWS does not describe what was made.
        """
        if resource.provider:
            raise ValueError(
                f"explicit provider {resource.provider}: it would not be configured by the stack"
            )
        declared = self.declared(resource)
        refuse_dangling_ids(self._account, declared)
        inputs = Inputs(declared, name=resource.name)
        identity = self._handler(resource.type).create(self._account, inputs)
        # The provider works these out from `tagsAll`.
        inputs.ignore("tags")
        if unread := sorted(inputs.unread()):
            raise ValueError(f"nothing was done with {', '.join(unread)}: its handler does not read it")
        return identity, self.describe(resource.type, identity)

    def declared(self, resource: Resource) -> dict[str, Any]:
        """Return the inputs as the provider sees them: with `tagsAll`, default tags included."""
        if not sdk.taggable(resource.type):
            return resource.inputs
        return {**resource.inputs, "tagsAll": {**self._default_tags, **(resource.inputs.get("tags") or {})}}

    def describe(self, kind: str, identity: str) -> dict[str, Any]:
        """Return a resource's properties as AWS describes them now."""
        described = {"id": identity, **self._handler(kind).read(self._account, identity)}
        if "tagsAll" in described:
            described["tags"] = {
                key: value
                for key, value in described["tagsAll"].items()
                if self._default_tags.get(key) != value
            }
        return described

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a provider function.

        Raises:
            LookupError: the rehearsal does not play it.
            ValueError: an argument that nothing was done with.
        """
        if token not in FUNCTIONS:
            raise LookupError("no handler for this function")
        inputs = Inputs(arguments)
        answer = FUNCTIONS[token](self._account, inputs)
        if unread := sorted(inputs.unread()):
            raise ValueError(f"nothing was done with {', '.join(unread)}")
        return answer

    def compare(self, deployment: Deployment) -> tuple[list[str], set[tuple[str, str]]]:
        """Describe every resource again and hold each declared property against it.

        Returns:
            One line for each difference that is no exception, and the exceptions that were met.
        """
        faults, met = [], set()
        for resource in deployment.resources:
            if not resource.custom:
                continue
            described = self.describe(resource.type, resource.id)
            for path, fault in differences(self.declared(resource), described).items():
                if (resource.type, path) in EXCEPTIONS:
                    met.add((resource.type, path))
                else:
                    faults.append(f"{resource.type} '{resource.name}' {path}: {fault}")
        return faults, met

    def _handler(self, kind: str) -> Handler:
        if kind not in self._handlers:
            raise LookupError("no handler for this type")
        return self._handlers[kind]
