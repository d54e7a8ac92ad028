"""What Pulumi's SDKs know of a resource type: its properties, the required ones, its tags."""

import inspect
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pulumi_aws
import pulumi_docker_build
from pulumi import _types

# Scalars that the provider turns into each other: a port as text, a text that looks like a number.
NUMBERS = (int, float)
PACKAGES = {"aws": pulumi_aws, "docker-build": pulumi_docker_build}
_LOADING = threading.RLock()


@cache
def resource_class(token: str) -> type:
    """Return the class of a type token: `aws:ec2/vpc:Vpc` is `pulumi_aws.ec2.Vpc`."""
    package, path, noun = token.split(":")
    # The SDK loads its modules lazily, and not safely from several threads.
    with _LOADING:
        sdk = PACKAGES[package]
        module = sdk if path == "index" else getattr(sdk, path.split("/")[0])
        return getattr(module, noun)  # type: ignore[no-any-return]


def taggable(token: str) -> bool:
    """Tell whether the provider puts its default tags on this type."""
    return hasattr(resource_class(token), "tags_all")


def faults(token: str, inputs: Mapping[str, Any]) -> list[str]:
    """Hold a resource's inputs against the SDK's own types, at every depth.

    Pulumi's program does so only for what is written with its Args classes, and the real provider only
    when it is asked.

    Returns:
        One line for each unknown or missing property and for each value of another type.
    """
    module = sys.modules[resource_class(token).__module__]
    return list(_block_faults(getattr(module, module.__all__[0]), inputs, ""))


def _block_faults(arguments: type, values: Mapping[str, Any], path: str) -> Iterator[str]:
    types = _types.input_type_types(arguments)
    names = _types.input_type_py_to_pulumi_names(arguments)
    for parameter in inspect.signature(arguments.__init__).parameters.values():
        name = names.get(parameter.name)
        if name and parameter.default is inspect.Parameter.empty and values.get(name) is None:
            yield f"{path}{name} is required"
    for key, value in values.items():
        if key not in types:
            yield f"{path}{key} is unknown, known are {', '.join(sorted(types))}"
        elif value is not None:
            yield from _value_faults(types[key], value, f"{path}{key}")


def _value_faults(wanted: Any, value: Any, path: str) -> Iterator[str]:
    if get_origin(wanted) in {Union, UnionType}:
        # Of `Union[X, Awaitable[X], Output[X]]` only X says something.
        wanted = get_args(wanted)[0]
    if isinstance(wanted, type) and _types.is_input_type(wanted):
        if isinstance(value, Mapping):
            yield from _block_faults(wanted, value, f"{path}.")
        else:
            yield f"{path} must be a block, received {value!r}"
    elif get_origin(wanted) is not None:
        yield from _collection_faults(wanted, value, path)
    elif wanted in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, NUMBERS):
            yield f"{path} must be a number, received {value!r}"
    elif isinstance(wanted, type) and issubclass(wanted, Enum):
        if value not in (known := [member.value for member in wanted]):
            yield f"{path} must be one of {', '.join(known)}, received {value!r}"
    elif wanted in {str, bool} and not isinstance(value, wanted):
        yield f"{path} must be of type {wanted.__name__}, received {value!r}"


def _collection_faults(wanted: Any, value: Any, path: str) -> Iterator[str]:
    is_list = issubclass(get_origin(wanted), Sequence)
    if not isinstance(value, list if is_list else Mapping):
        yield f"{path} must be {'a list' if is_list else 'a map'}, received {value!r}"
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in items:
        yield from _value_faults(get_args(wanted)[-1], item, f"{path}[{key}]")
