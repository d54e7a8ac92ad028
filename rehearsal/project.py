"""Pulumi.yaml and a stack's config, merged and checked as the Pulumi CLI does it before a program runs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.deployment import DeploymentError
from rehearsal.wire import Secret

WRONG_SETTINGS = 2


@dataclass(frozen=True, kw_only=True)
class Program:
    """How the program is started: `python <main>` in this folder."""

    folder: Path
    main: str


class Project:
    """A Pulumi project on disk.

    Attributes:
        name: the project's name, the namespace of its own config keys.
        folder: where Pulumi.yaml lies.
        program: what is run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        document = yaml.safe_load((self.folder / "Pulumi.yaml").read_text())
        self.name = str(document["name"])
        self.program = self._program(self.folder / document.get("main", "."))
        self._declared = {
            self._qualified(key): self._declaration(key, entry)
            for key, entry in (document.get("config") or {}).items()
        }

    @staticmethod
    def _program(main: Path) -> Program:
        if main.is_dir():
            return Program(folder=main.resolve(), main=".")
        return Program(folder=main.parent.resolve(), main=main.name)

    def _qualified(self, key: str) -> str:
        return key if ":" in key else f"{self.name}:{key}"

    def _short(self, key: str) -> str:
        return key.removeprefix(f"{self.name}:")

    def _own(self, key: str) -> bool:
        return self._qualified(key).startswith(f"{self.name}:")

    def _declaration(self, key: str, entry: Any) -> dict[str, Any]:
        """Return the entry in its long form; the short form is a bare value."""
        if not isinstance(entry, dict):
            return {"default" if self._own(key) else "value": entry}
        return entry

    def settings(self, stack: str, config: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
        """Merge the project's defaults under a stack's config.

        Args:
            stack: the stack's name, for the messages.
            config: keys as in `Pulumi.<stack>.yaml`'s `config:`; a `wire.Secret` value stays secret.

        Returns:
            Every value as the text the CLI hands on (objects and lists as JSON), and the secret keys.

        Raises:
            DeploymentError: exit code 2; as from the CLI, every missing key, else the first mistyped one.
        """
        merged = {self._qualified(key): value for key, value in config.items()}
        for key, declared in self._declared.items():
            given = declared.get("default", declared.get("value"))
            if key not in merged and given is not None:
                merged[key] = given
        for refusal in self._refusals(stack, merged):
            raise DeploymentError(refusal, WRONG_SETTINGS)
        secret_keys = [key for key, value in merged.items() if isinstance(value, Secret)]
        return {key: _text(value) for key, value in merged.items()}, secret_keys

    def _refusals(self, stack: str, merged: Mapping[str, Any]) -> Iterator[str]:
        """Yield what the CLI refuses, in its order and words."""
        yield from self._project_faults()
        missing = sorted(self._short(key) for key in self._declared if self._own(key) and key not in merged)
        if missing:
            *most, last = (f"'{key}'" for key in missing)
            listed = f"values {', '.join(most)} and {last}" if most else f"value {last}"
            yield f"Stack '{stack}' is missing configuration {listed}"
        for key, value in sorted(merged.items()):
            if fault := self._type_fault(key, value):
                yield f"Stack '{stack}' with configuration key '{self._short(key)}' {fault}"

    def _project_faults(self) -> list[str]:
        """Return what the CLI refuses in Pulumi.yaml itself."""
        faults = []
        for key, declared in self._declared.items():
            if not self._own(key) and set(declared) != {"value"}:
                faults.append(
                    f"Pulumi.yaml: {key} is not its own and may only have 'value', has {sorted(declared)}"
                )
            if declared.get("type") == "array" and "items" not in declared:
                faults.append(f"Pulumi.yaml: {key} is an array without 'items'")
        return faults

    def _type_fault(self, key: str, value: Any) -> str | None:
        wanted = self._declared.get(key, {}).get("type")
        plain = value.value if isinstance(value, Secret) else value
        if isinstance(plain, dict) and set(plain) == {"secure"}:
            return "is encrypted, and the rehearsal has no key to open it"
        items = self._declared.get(key, {}).get("items")
        if wanted is None or _has_type(plain, wanted, items):
            return None
        return f"must be of type '{_full_type(wanted, items)}'"


def _full_type(name: str, items: Mapping[str, Any] | None) -> str:
    return f"array<{_full_type(items['type'], items.get('items'))}>" if items else name


def _has_type(value: Any, wanted: str, items: Mapping[str, Any] | None) -> bool:
    """Hold a value against a declared type, with the CLI's leniences: scalars are text to it."""
    if wanted == "object":
        return isinstance(value, dict)
    if wanted == "array":
        return isinstance(value, list) and all(
            _has_type(item, (items or {})["type"], (items or {}).get("items")) for item in value
        )
    if isinstance(value, dict | list) or value is None:
        return False
    text = _text(value)
    if wanted == "integer":
        return text.removeprefix("-").isdecimal()
    return wanted == "string" or (wanted == "boolean" and text in {"true", "false"})


def _text(value: Any) -> str:
    if isinstance(value, Secret):
        return _text(value.value)
    if isinstance(value, str):
        return value
    return json.dumps(value)
