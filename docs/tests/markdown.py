"""Finds what a page shows as code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEADING_OR_FENCE = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A block of code.

    Attributes:
        section: the heading above it.
        kind: what stands behind its opening marks.
    """

    section: str
    kind: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def fences(page: str) -> Iterator[Fence]:
    """Yield each block of code."""
    section = ""
    for found in HEADING_OR_FENCE.finditer(page):
        if found["heading"]:
            section = found["heading"]
        else:
            yield Fence(section=section, kind=found["kind"], text=found["text"])


def inline_code(page: str) -> list[str]:
    """Return what stands between single backquotes."""
    prose = HEADING_OR_FENCE.sub("", page)
    return re.findall(r"`([^`\n]+)`", prose)
