"""The AWS account that a stack is deployed into: API clients that refuse values AWS does not have."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.aws.inputs import Inputs


class Account:
    """Clients of one account in one region, made once each.

    Attributes:
        beside: what the emulator cannot keep, by id.
    """

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._make = client
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.beside: dict[str, dict[str, Any]] = {}

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service; it is thread-safe."""
        with self._lock:
            if service not in self._clients:
                client = self._make(service)
                client.meta.events.register("before-parameter-build", _refuse_unknown_values)
                self._clients[service] = client
            return self._clients[service]

    @property
    def region(self) -> str:
        """The region that the clients talk to."""
        return str(self.client("sts").meta.region_name)


@dataclass(frozen=True)
class Handler:
    """How one resource type is made and described.

    Attributes:
        create: makes it and returns its id, having read every input.
        read: describes it by id, in the provider's shape, from AWS's answers alone.
    """

    create: Callable[[Account, Inputs], str]
    read: Callable[[Account, str], dict[str, Any]]


def _refuse_unknown_values(params: Mapping[str, Any], model: Any, **_: object) -> None:
    """Refuse what AWS's own API model does not list; botocore checks types only, and the emulator less."""
    if model.input_shape:
        refuse_unknown_values(model.input_shape, params, model.name)


def refuse_unknown_values(shape: Any, params: Any, what: str) -> None:
    """Hold parameters against the lists of allowed values in an API model's shape.

    Raises:
        ValueError: names each value and what is allowed.
    """
    if wrong := list(_unknown_values(shape, params, what)):
        raise ValueError("; ".join(wrong))


def _unknown_values(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for key, item in value.items():
            if key in shape.members:
                yield from _unknown_values(shape.members[key], item, f"{path}.{key}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _unknown_values(shape.member, item, path)
    elif (allowed := getattr(shape, "enum", None)) and value not in allowed:
        yield f"{path}: received {value!r}, AWS knows {', '.join(allowed)}"
