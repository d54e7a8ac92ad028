"""Checks over what the program declared, in its preview and in its up."""

from typing import Any

from rehearsal import sdk
from rehearsal.aws.cloud import EmulatedAws
from rehearsal.deployment import STACK_TYPE, Deployment, DeploymentError, Resource
from rehearsal.wire import Secret, reveal, walk

# Shorter texts occur anywhere by chance.
SHORTEST_SECRET = 6


def check(preview: Deployment, up: Deployment, cloud: EmulatedAws) -> None:
    """Hold the preview against the up, and both against what AWS describes.

    Raises:
        DeploymentError: names every fault.
    """
    faults = [*faults_in(preview), *faults_in(up), *_differing(preview, up), *cloud.compare(up)[0]]
    if faults:
        raise DeploymentError("\n".join(dict.fromkeys(faults)))


def faults_in(deployment: Deployment) -> list[str]:
    """Return what no declaration may do, one line each."""
    made = {resource.urn: resource for resource in deployment.resources}
    return [
        f"{resource.type} '{resource.name}': {fault}"
        for resource in deployment.resources
        for fault in _faults_of(resource, made)
    ] + _shown_secrets(deployment)


def _faults_of(resource: Resource, made: dict[str, Resource]) -> list[str]:
    if not resource.custom:
        return []
    # In a preview an input may be unknown, and what it is made of with it.
    faults = sdk.faults(resource.type, resource.inputs) if resource.id else []
    if resource.provider:
        faults.append(f"explicit provider {resource.provider}, which the stack's aws: keys do not configure")
    if resource.parent not in made or made[resource.parent].custom or not made[resource.parent].parent:
        faults.append("stands in no component")
    return faults


def _differing(preview: Deployment, up: Deployment) -> list[str]:
    planned = {resource.urn for resource in preview.resources}
    made = {resource.urn for resource in up.resources}
    return [f"only in the preview: {urn}" for urn in sorted(planned - made)] + [
        f"not in the preview: {urn}" for urn in sorted(made - planned)
    ]


def _shown_secrets(deployment: Deployment) -> list[str]:
    """Find secrets that stand in the open: in outputs, or in another resource's inputs."""
    secrets = {text for resource in deployment.resources for text in _secret_texts(resource)}
    places = {"the stack's outputs": deployment.outputs} | {
        f"{resource.type} '{resource.name}'": [resource.outputs, _open_inputs(resource)]
        for resource in deployment.resources
        if resource.type != STACK_TYPE
    }
    # Never the secret itself in the message.
    return [
        f"a secret stands in the open in {place}"
        for place, values in places.items()
        if any(secret in text for text in _texts(values) for secret in secrets)
    ]


def _secret_texts(resource: Resource) -> list[str]:
    inputs = [value for path, value in walk(resource.inputs) if path in resource.secret_inputs]
    outputs = [reveal(value) for _, value in walk(resource.outputs) if isinstance(value, Secret)]
    return [text for text in _texts([*inputs, *outputs]) if len(text) >= SHORTEST_SECRET]


def _open_inputs(resource: Resource) -> dict[str, Any]:
    secret = {path[0] for path in resource.secret_inputs}
    return {key: value for key, value in resource.inputs.items() if key not in secret}


def _texts(value: Any) -> list[str]:
    return [text for _, text in walk(value) if isinstance(text, str)]
