"""What travels between a Pulumi program and its engine: protobuf values, with secrets and unknowns marked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import struct_pb2

# Constants of Pulumi's protocol (sdk/proto, `pulumi.runtime.rpc`): a struct with this key is not plain data.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, not a secret
RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Path = tuple[str | int, ...]


class _Unknown:
    """A value that a preview cannot know."""

    def __repr__(self) -> str:
        return "[unknown]"


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown."""

    value: Any = field(repr=False)

    def __repr__(self) -> str:
        return "[secret]"


class UnsupportedValueError(ValueError):
    """The program sent a kind of value that the rehearsal does not play (assets, archives)."""


def decode(value: struct_pb2.Value | struct_pb2.Struct) -> Any:
    """Return the Python value of a protobuf one; whole floats become integers.

    Raises:
        UnsupportedValueError: an asset or an archive.
    """
    if isinstance(value, struct_pb2.Struct):
        return _decode_struct({key: decode(item) for key, item in value.fields.items()})
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "struct_value":
        return decode(value.struct_value)
    if kind == "list_value":
        return [decode(item) for item in value.list_value.values]
    plain = getattr(value, kind)
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    return UNKNOWN if plain == UNKNOWN_TEXT else plain


def _decode_struct(fields: dict[str, Any]) -> Any:
    signature = fields.get(SIGNATURE)
    if signature is None:
        return fields
    if signature == SECRET_SIGNATURE:
        return Secret(fields["value"])
    if signature == RESOURCE_SIGNATURE:
        return fields.get("id") or fields["urn"]
    raise UnsupportedValueError(f"a value of kind {signature} (asset or archive) is not rehearsed")


def encode(properties: dict[str, Any]) -> struct_pb2.Struct:
    """Return the protobuf struct of Python properties, secrets and unknowns marked."""
    struct = struct_pb2.Struct()
    struct.update({key: _encode(value) for key, value in properties.items()})
    return struct


def _encode(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET_SIGNATURE, "value": _encode(value.value)}
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value


def reveal(value: Any) -> Any:
    """Return the value with every secret opened: for the cloud, never for a log."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value below and including this one with its path; a secret is one value, not entered."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from walk(item, (*path, position))
