"""Reads a query string where it says plainly what it asks."""

from collections.abc import Container
from urllib.parse import parse_qsl


def plain_query(text: bytes, once: Container[str], often: Container[str] = ()) -> dict[str, list[str]] | None:
    """Return each name's values; None when a name is none of these, is doubled, or a value is not plain.

    Args:
        text: as received.
        once: names that may come once.
        often: names that may come more often.
    """
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        return None
    for name, value in pairs:
        if (name not in often and (name not in once or name in found)) or "\0" in value:
            return None
        found.setdefault(name, []).append(value)
    return found
