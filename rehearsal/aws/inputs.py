"""What was declared for one resource, remembering which of it a handler has read."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

RANDOM_DIGITS = 7  # as Pulumi's provider bridge does
NAME_LENGTH = 255  # characters, the bridge's limit where AWS has none of its own that is shorter


class Inputs:
    """A resource's inputs, or one block in them; property names are the provider's.

    A value counts as read when a handler asks for it. Blocks and lists of blocks are followed, so that a key
    which nobody asked for is found at any depth.
    """

    def __init__(self, values: Mapping[str, Any], *, name: str = "", path: str = "") -> None:
        self.name = name
        self._values = values
        self._path = path
        self._read: set[str] = set()
        self._blocks: dict[str, list[Inputs]] = {}

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def __getitem__(self, key: str) -> Any:
        """Return a value.

        Raises:
            ValueError: it was not declared.
        """
        if key not in self:
            raise ValueError(f"missing {self._path}{key}")
        return self.get(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a plain value, or the default when it was not declared."""
        self._read.add(key)
        value = self._values.get(key)
        return default if value is None else value

    def block(self, key: str) -> "Inputs":
        """Return a block, empty when it was not declared."""
        (block,) = self._into(key, [self._values.get(key) or {}])
        return block

    def blocks(self, key: str) -> list["Inputs"]:
        """Return a list of blocks."""
        return self._into(key, self._values.get(key) or [])

    def _into(self, key: str, values: list[Any]) -> list["Inputs"]:
        self._read.add(key)
        if key not in self._blocks:
            self._blocks[key] = [
                Inputs(value, path=f"{self._path}{key}[{position}].") for position, value in enumerate(values)
            ]
        return self._blocks[key]

    def take(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return what was declared of these properties, under the names that AWS's API has for them."""
        return {api: self.get(key) for key, api in names.items() if key in self}

    def ignore(self, *keys: str) -> None:
        """Count as read what instructs the provider alone and reaches no AWS call."""
        self._read.update(keys)

    def autoname(self, key: str = "name", *, longest: int = NAME_LENGTH) -> str:
        """Return the declared physical name, or one from the logical name as Pulumi's bridge makes it.

        Raises:
            ValueError: the logical name leaves no room for the random digits.
        """
        if key in self:
            return str(self.get(key))
        self._read.add(key)
        name = f"{self.name}-{secrets.token_hex(4)[:RANDOM_DIGITS]}"
        if len(name) > longest:
            raise ValueError(
                f"name '{self.name}-' plus {RANDOM_DIGITS} random digits is longer than {longest} characters"
            )
        return name

    def unread(self) -> Iterator[str]:
        """Yield the path of everything declared that nobody asked for."""
        for key, value in self._values.items():
            if value is None:
                continue
            if key not in self._read:
                yield f"{self._path}{key}"
            for block in self._blocks.get(key, []):
                yield from block.unread()


def shown(described: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what AWS described of these properties (provider's name to API's), under the provider's."""
    return {key: described[api] for key, api in names.items() if api in described}


def tag_list(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Return tags as most of AWS's APIs take them."""
    return [{key: name, value: text} for name, text in tags.items()]


def tag_map(tags: list[dict[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return tags as the provider shows them."""
    return {tag[key]: tag[value] for tag in tags}


def only(found: list[Any], what: str) -> Any:
    """Return the single item that AWS described.

    Raises:
        LookupError: it described none, or several.
    """
    if len(found) != 1:
        raise LookupError(f"AWS describes {len(found)} of {what}, expected one")
    return found[0]
