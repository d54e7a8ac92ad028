"""What a sheet's columns are: the first row's names, the second row's types."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the second row may say."""

    KEY = "key"
    RUN_NAME = "run name"
    STATUS = "status"
    START_TIME = "start time"
    END_TIME = "end time"
    NOTE = "note"
    ARTIFACT_PATH = "artifact path"
    PARAMETER = "parameter"
    METRIC = "metric"
    TAG = "tag"
    IGNORE = "ignore"


NAMED = (Kind.PARAMETER, Kind.METRIC, Kind.TAG)
REPEATED = (*NAMED, Kind.ARTIFACT_PATH, Kind.IGNORE)
ALSO = {"param": Kind.PARAMETER, "artifact": Kind.ARTIFACT_PATH, "name": Kind.RUN_NAME}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the sheet.

    Attributes:
        place: counted from 0.
        name: as the first row has it.
        kind: as the second row has it.
    """

    place: int
    name: str
    kind: Kind

    @property
    def letters(self) -> str:
        """Return what a spreadsheet calls it: A, B, … AA."""
        return letters(self.place)


def letters(place: int) -> str:
    """Return what a spreadsheet calls the column."""
    text, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        text = chr(ord("A") + digit) + text
    return text


def kind(text: str) -> Kind | None:
    """Return the type that a cell of the second row names."""
    plain = re.sub(r"[\s_-]+", " ", text).strip().casefold()
    try:
        return ALSO.get(plain) or Kind(plain)
    except ValueError:
        return None


def read(names: Sequence[str], kinds: Sequence[str]) -> tuple[list[Column], list[str]]:
    """Return the columns, and what is wrong with the two rows."""
    columns, faults = [], []
    for place in range(max(len(names), len(kinds))):
        name = names[place].strip() if place < len(names) else ""
        told = kinds[place].strip() if place < len(kinds) else ""
        if not name and not told:
            continue
        found = kind(told)
        if found is None:
            allowed = ", ".join(Kind)
            faults.append(f"row 2, column {letters(place)} ({name}): type is {told!r}; allowed: {allowed}")
        elif not name and found in NAMED:
            faults.append(f"row 1, column {letters(place)}: empty; a {found} needs a name")
        else:
            columns.append(Column(place=place, name=name, kind=found))
    return columns, [*faults, *_twice(columns)]


def _twice(columns: Sequence[Column]) -> list[str]:
    def same(column: Column) -> tuple[Kind, str]:
        return column.kind, column.name if column.kind in NAMED else ""

    counts = Counter(same(column) for column in columns)
    faults = []
    for (each, name), count in counts.items():
        if count > 1 and (each in NAMED or each not in REPEATED):
            places = ", ".join(c.letters for c in columns if same(c) == (each, name))
            called = f"{each} {name!r}" if name else f"type {each.value!r}"
            faults.append(f"rows 1 and 2, columns {places}: {called} is there {count} times; keep one")
    return faults
