"""One line of the catalog: a route and a realistic request for it, with names for what a team has."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from rehearsal.tests.isolation.client import Headers, Request

PREFIXES = ("/api/", "/ajax-api/")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
FRESH = "new_"

Values = Callable[[str], str]


class Kind(StrEnum):
    """What this catalog takes a route for: a second opinion, held against the server's own."""

    OPEN = "open"  # to everybody, without a login
    ASSET = "asset"
    READ = "read"
    WRITE = "write"
    WORKSPACES = "workspaces"
    SEALED = "sealed"


@dataclass(frozen=True)
class Entry:
    """A request to be filled in.

    Attributes:
        line: method and path below `/api/` (or the whole path, when it begins with a slash), with query.
        body: JSON, its texts with placeholders; bytes go as they are.
        shows: names of what the answer must contain.
        before: what the team's writer does before a request that is to succeed.
        seen: what is to be read afterwards, with the same values: a line and what its answer contains.
        gone: a line that afterwards leads nowhere.
    """

    line: str
    body: Any = None
    kind: Kind = Kind.READ
    shows: tuple[str, ...] = ()
    headers: Headers = ()
    before: tuple["Entry", ...] = ()
    succeeds: tuple[int, ...] = (200,)
    seen: tuple[str, ...] = ()
    gone: str = ""

    @property
    def key(self) -> str:
        """Method and path without prefix and query, each parameter a star."""
        method, address = self.line.split(" ", 1)
        return f"{method} {PLACEHOLDER.sub('*', address.partition('?')[0])}"

    @property
    def targets(self) -> tuple[str, ...]:
        """The path of each prefix; which of them the installed MLflow has is not known here."""
        address = self.line.split(" ", 1)[1]
        return (address,) if address.startswith("/") else tuple(prefix + address for prefix in PREFIXES)

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders, in order, without `new_` and without the fresh text of a new thing."""
        found = PLACEHOLDER.findall(self.line + json.dumps(self.body, default=str) + repr(self.headers))
        return tuple(dict.fromkeys(n.removeprefix(FRESH) for n in found if n != "fresh"))

    def request(self, target: str, values: Values) -> Request:
        """Fill in one target of this entry."""
        method = self.line.split(" ", 1)[0]
        body = _filled(self.body, values)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        kind = (("Content-Type", "application/json"),) if body is not None and not self.headers else ()
        headers = tuple((name, _text(value, values)) for name, value in self.headers)
        return Request(method, _text(target, lambda n: quote(values(n), safe="")), body, (*headers, *kind))


def _text(text: str, values: Values) -> str:
    return PLACEHOLDER.sub(lambda found: values(found[1]), text)


def _filled(body: Any, values: Values) -> Any:
    if isinstance(body, str):
        return _text(body, values)
    if isinstance(body, Mapping):
        return {_filled(key, values): _filled(value, values) for key, value in body.items()}
    return [_filled(each, values) for each in body] if isinstance(body, list) else body


def read(line: str, body: Any = None, *, shows: str = "mark", headers: Headers = ()) -> Entry:
    """A route that changes nothing; the answer contains the values of `shows`."""
    return Entry(line, body, Kind.READ, tuple(shows.split()), headers)


def write(
    line: str,
    body: Any = None,
    *,
    shows: str = "",
    headers: Headers = (),
    before: tuple[Entry, ...] = (),
    seen: tuple[str, ...] = (),
    gone: str = "",
) -> Entry:
    """A route that changes something."""
    return Entry(line, body, Kind.WRITE, tuple(shows.split()), headers, before, seen=seen, gone=gone)


def sealed(lines: str) -> tuple[Entry, ...]:
    """Routes that are answered to nobody, one a line."""
    return tuple(Entry(line.strip(), kind=Kind.SEALED) for line in lines.strip().splitlines())
