"""Reads a stack's config value by value, and collects everything that is wrong with it."""

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from faults import Fault

SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
Check = Callable[[str], object]  # raises ValueError


class ConfigReader:
    """A stack's config as Pulumi hands it to the program: every value a text, objects and lists as JSON.

    A wrong value leaves a fault and comes back empty, so that reading goes on to the next one.

    Attributes:
        faults: what was wrong so far.
        keys: what was read so far.
    """

    def __init__(self, config: Mapping[str, str], secrets: Collection[str] = ()) -> None:
        self._config = config
        self._secrets = secrets
        self.faults: list[Fault] = []
        self.keys: set[str] = set()

    def sound(self, *keys: str) -> bool:
        """Return whether nothing was wrong with these keys so far."""
        return not any(fault.key in keys for fault in self.faults)

    def refuse(self, key: str, received: Any, *, allowed: str, command: str) -> None:
        """Note a fault; `received` is None where nothing was, and not shown where it may be secret."""
        whole = re.split(r"[.[]", key, maxsplit=1)[0]
        unknown = key in self._config and key not in self.keys  # it may hold a password
        hidden = unknown or whole in self._secrets
        shown = "nothing" if received is None else SECRET if hidden else json.dumps(received)
        self.faults.append(
            Fault(key=key, received=shown, allowed=allowed, command=f"pulumi config {command}")
        )

    def refuse_value(self, key: str, *, allowed: str, example: object) -> None:
        """Note a fault of a whole value, mended by setting it to something like the example."""
        self.refuse(key, self._config.get(key) or None, allowed=allowed, command=f"set {key} {example}")

    def refuse_shape(self, path: str, received: Any, *, allowed: str, first: str, example: str) -> None:
        """Note a fault of what is no list or object, mended by setting the first entry of one instead."""
        clear = f"rm --path '{path}' && pulumi config " if received is not None else ""
        self.refuse(path, received, allowed=allowed, command=f"{clear}set --path '{first}' {example}")

    def refuse_unread_keys(self) -> None:
        """Note every key that was not read, with the nearest that was."""
        for key in sorted(set(self._config) - self.keys):
            near = nearest(key, self.keys)
            self.refuse(
                key,
                self._config[key],
                allowed=f"{near}only the keys that Pulumi.yaml describes",
                command=f"rm {key}",
            )

    def text(self, key: str, pattern: str, *, allowed: str, example: str) -> str:
        """Return a text that the whole pattern matches."""
        value = self._raw(key)
        if value is not None and re.fullmatch(pattern, value, re.ASCII):
            return value
        self.refuse_value(key, allowed=allowed, example=example)
        return ""

    def choice(self, key: str, choices: Collection[str]) -> str:
        """Return one of the choices."""
        return self.text(
            key, "|".join(map(re.escape, choices)), allowed=words(choices), example=next(iter(choices))
        )

    def flag(self, key: str) -> bool:
        """Return whether the value is true."""
        return self.choice(key, ("false", "true")) == "true"

    def number(self, key: str, choices: Collection[int], *, allowed: str, example: int) -> int:
        """Return a whole number out of the choices."""
        value = self._raw(key) or ""
        if re.fullmatch(r"\d{1,9}", value, re.ASCII) and int(value) in choices:
            return int(value)
        self.refuse_value(key, allowed=allowed, example=example)
        return 0

    def checked(self, key: str, check: Check, *, allowed: str, example: str) -> str:
        """Return a text that the check takes."""
        value = self._raw(key)
        if value is not None and _passes(check, value):
            return value
        self.refuse_value(key, allowed=allowed, example=example)
        return ""

    def listed(self, key: str, check: Check, *, allowed: str, example: str) -> tuple[str, ...]:
        """Return a list of texts, all different, that the check takes."""
        values = self.structure(key)
        if not isinstance(values, list):
            self.refuse_shape(
                key, values, allowed=f"a list; each {allowed}", first=f"{key}[0]", example=example
            )
            return ()
        for place, value in enumerate(values):
            if not isinstance(value, str) or not _passes(check, value) or value in values[:place]:
                path = f"{key}[{place}]"
                twice = value in values[:place]
                mending = f"rm --path '{path}'" if twice else f"set --path '{path}' {example}"
                self.refuse(path, value, allowed=f"{allowed}, once", command=mending)
        return tuple(values)

    def structure(self, key: str) -> Any:
        """Return the list or object that the value holds; what holds none comes back as it is."""
        value = self._raw(key)
        try:
            return None if value is None else json.loads(value)
        except ValueError:
            return value

    def _raw(self, key: str) -> str | None:
        self.keys.add(key)
        return self._config.get(key)


def nearest(word: str, known: Collection[str]) -> str:
    """Return a hint at the known word that looks most like this one, or nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"did you mean {near[0]}? " if near else ""


def config_path(parent: str, key: str) -> str:
    """Return the path of an entry, as `pulumi config --path` spells a key that is no plain word."""
    return f"{parent}.{key}" if re.fullmatch(r"[\w-]+", key) else f'{parent}["{key}"]'


def words(values: Iterable[object]) -> str:
    """Return the values as one would say them: a, b or c."""
    *most, last = map(str, values)
    return f"{', '.join(most)} or {last}" if most else last


def _passes(check: Check, value: str) -> bool:
    try:
        check(value)
    except ValueError:
        return False
    return True
