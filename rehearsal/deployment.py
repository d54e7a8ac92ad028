"""What a run of the Pulumi program declared, and what became of it."""

from dataclasses import dataclass, field
from typing import Any

from rehearsal.wire import Path

STACK_TYPE = "pulumi:pulumi:Stack"


class DeploymentError(RuntimeError):
    """The program, or one of its resources, failed.

    Attributes:
        exit_code: what to exit with: the program's own code, 2 for wrong settings.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Options:
    """Those resource options that outlive the program; property names are the provider's (camelCase)."""

    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    ignore_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Resource:
    """One registration.

    Attributes:
        type: the type token, `aws:s3/bucket:Bucket` or `mlflow-tracking:artifact_store:ArtifactStore`.
        custom: made by a provider; False for components and the stack.
        parent: URN, empty for the stack.
        provider: URN::id of an explicit provider; empty means the default one.
        inputs: what was declared, plain; what a preview cannot know is `wire.UNKNOWN`.
        secret_inputs: where in the inputs secrets stood.
        dependencies: URNs.
        property_dependencies: input key to URNs.
        id: empty in a preview and for components.
        outputs: what the engine answered, secrets wrapped in `wire.Secret`.
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    provider: str
    inputs: dict[str, Any] = field(repr=False)
    secret_inputs: frozenset[Path]
    dependencies: frozenset[str]
    property_dependencies: dict[str, frozenset[str]]
    options: Options
    id: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Deployment:
    """A finished preview or up.

    Attributes:
        resources: in the order in which they were registered.
        outputs: the stack's, secrets wrapped in `wire.Secret`.
    """

    project: str
    stack: str
    dry_run: bool
    resources: list[Resource]
    outputs: dict[str, Any]

    def of_type(self, token: str) -> list[Resource]:
        """Return the resources of one type token."""
        return [resource for resource in self.resources if resource.type == token]

    def one(self, token: str, name: str | None = None) -> Resource:
        """Return the only resource of a type token, or the only one of them with a logical name.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = [resource for resource in self.of_type(token) if name in {None, resource.name}]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources of type {token}, expected one")
        return found[0]
