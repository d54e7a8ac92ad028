"""Text that a spreadsheet must not run as a formula, written so that import reads it back."""

import re

RUN = re.compile(r"'*[=+\-@\t\r\n]")
GUARDED = re.compile(r"'+[=+\-@\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
# How .xlsx writes characters that XML cannot hold or would change.
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def on(text: str) -> str:
    """Return a .csv cell that no spreadsheet runs: with a quote before it."""
    return f"'{text}" if RUN.match(text) and not NUMBER.fullmatch(text) else text


def off(text: str) -> str:
    """Return what was guarded."""
    return text[1:] if GUARDED.match(text) else text


def escape(text: str) -> str:
    """Return what an .xlsx cell can hold."""
    return UNSAFE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def unescape(text: str) -> str:
    """Return what was escaped."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
