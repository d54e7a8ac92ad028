"""The engine's side of Pulumi's protocol: what a program registers is recorded and handed to a cloud."""
# ruff: noqa: ARG002, N802 - the protocol names the methods and their arguments

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from rehearsal.deployment import STACK_TYPE, Options, Resource
from rehearsal.wire import UNKNOWN, Secret, decode, encode, reveal, walk

# What the program may use; the SDK refuses the rest of Pulumi's features by itself.
FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
)


class Cloud(Protocol):
    """Where resources are made."""

    def configure(self, settings: Mapping[str, str]) -> None:
        """Take the stack's `aws:` keys, without their namespace."""

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        """Make a declared resource; return its id and its properties as the cloud describes them."""
        ...

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a provider function."""
        ...


class Monitor(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Answers one run of a program; calls arrive from many threads at once.

    Attributes:
        resources: URN to resource, in the order of registration.
        outputs: the stack's outputs.
        failure: the first thing that went wrong here, empty while all is well.
        errors: what the program logged as errors.
    """

    def __init__(
        self, project: str, stack: str, *, cloud: Cloud | None, dry_run: bool, log: Callable[[str], None]
    ) -> None:
        self.resources: dict[str, Resource] = {}
        self.outputs: dict[str, Any] = {}
        self.failure = ""
        self.errors: list[str] = []
        self._project = project
        self._stack = stack
        self._cloud = cloud
        self._dry_run = dry_run
        self._log = log
        self._lock = threading.Lock()

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tell the program what this engine understands."""
        return resource_pb2.DeploymentInfo(
            project=self._project, stack=self._stack, dryRun=self._dry_run, supportedFeatures=FEATURES
        )

    def RegisterResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Record a resource, make it, and answer with its id and properties."""
        with _Reported(self, context, f"{request.type} '{request.name}'"):
            resource = self._record(request)
            if resource.custom and not self._dry_run:
                self._create(resource)
            else:
                resource.outputs = decode(request.object)
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn, id=resource.id, object=encode(resource.outputs)
        )

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Record what a component or the stack gives out."""
        outputs = decode(request.outputs)
        with self._lock:
            resource = self.resources[request.urn]
            resource.outputs = outputs
            if resource.type == STACK_TYPE:
                self.outputs = outputs
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answer a provider function; the real engine asks the cloud in a preview too."""
        with _Reported(self, context, f"function {request.tok}"):
            arguments = decode(request.args)
            if any(value is UNKNOWN for _, value in walk(reveal(arguments))):
                return resource_pb2.ResourceInvokeResponse(unknown=True)
            if self._cloud is None:
                raise LookupError("a preview without a cloud cannot answer it")
            answer = self._cloud.invoke(request.tok, reveal(arguments))
        # `return` is no name in Python.
        return resource_pb2.ResourceInvokeResponse(**{"return": encode(answer)})  # pyright: ignore[reportArgumentType]

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Let the program end: there is nothing to delete."""
        return empty_pb2.Empty()

    def Log(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take what the program says by `pulumi.log`."""
        if request.severity == engine_pb2.ERROR:
            with self._lock:
                self.errors.append(request.message)
        elif request.severity != engine_pb2.DEBUG:
            self._say(request.message)
        return empty_pb2.Empty()

    def fail(self, message: str) -> None:
        """Keep the first failure; those that follow are its consequences."""
        with self._lock:
            self.failure = self.failure or message

    def _record(self, request: Any) -> Resource:
        inputs = decode(request.object)
        resource = Resource(
            urn=self._urn(request),
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            provider=request.provider,
            inputs=reveal(inputs),
            secret_inputs=frozenset(path for path, value in walk(inputs) if isinstance(value, Secret)),
            dependencies=frozenset(request.dependencies),
            property_dependencies={
                key: frozenset(value.urns) for key, value in request.propertyDependencies.items()
            },
            options=_options(request),
        )
        with self._lock:
            if self.failure:
                raise ConnectionAbortedError("stopped: another resource failed")
            if resource.urn in self.resources:
                raise ValueError(f"duplicate resource URN '{resource.urn}'; give it a unique name")
            self.resources[resource.urn] = resource
        return resource

    def _urn(self, request: Any) -> str:
        chain = request.type
        if request.parent:
            with self._lock:
                parent = self.resources[request.parent]
            if parent.type != STACK_TYPE:
                chain = f"{parent.urn.split('::')[2]}${request.type}"
        return f"urn:pulumi:{self._stack}::{self._project}::{chain}::{request.name}"

    def _create(self, resource: Resource) -> None:
        if self._cloud is None:
            raise LookupError("only a preview works without a cloud")
        started = time.monotonic()
        resource.id, outputs = self._cloud.create(resource)
        secret = {str(path[0]) for path in resource.secret_inputs}
        secret.update(resource.options.additional_secret_outputs)
        resource.outputs = {
            key: Secret(value) if key in secret and value is not None else value
            for key, value in outputs.items()
        }
        self._say(f"created {resource.type} {resource.name} ({time.monotonic() - started:.2f} s)")

    def _say(self, line: str) -> None:
        with self._lock:
            self._log(line)


class _Reported:
    """Turns a failure inside a call into the call's status and the deployment's first failure."""

    def __init__(self, monitor: Monitor, context: grpc.ServicerContext, what: str) -> None:
        self._monitor = monitor
        self._context = context
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None:
            return
        message = f"{self._what}: {error}"
        self._monitor.fail(message)
        self._context.abort(grpc.StatusCode.UNKNOWN, message)


def _options(request: Any) -> Options:
    return Options(
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace,
        ignore_changes=tuple(request.ignoreChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
    )
