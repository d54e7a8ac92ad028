"""What a sheet's rows say of runs, and all that is wrong with them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils import validation
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from mlflow_team import digest, tags

from . import columns, values
from .columns import Column, Kind
from .sheet import Cell, Sheet, Unreadable

NAME_FAULTS = {
    Kind.PARAMETER: validation._validate_param_name,  # noqa: SLF001 - MLflow's own rule, in no public place
    Kind.METRIC: validation._validate_metric_name,  # noqa: SLF001 - same
    Kind.TAG: validation._validate_tag_name,  # noqa: SLF001 - same
}
LONGEST = {
    Kind.PARAMETER: validation.MAX_PARAM_VAL_LENGTH,
    Kind.TAG: validation.MAX_TAG_VAL_LENGTH,
    Kind.NOTE: validation.MAX_TAG_VAL_LENGTH,
    Kind.KEY: validation.MAX_TAG_VAL_LENGTH,
    Kind.RUN_NAME: 250,  # MLflow's column runs.name
}
# Of which a sheet has one column: what they are in a Row.
ALONE = {
    Kind.KEY: "key",
    Kind.RUN_NAME: "name",
    Kind.STATUS: "status",
    Kind.START_TIME: "start_ms",
    Kind.END_TIME: "end_ms",
}
FIRST = 2  # rows with names and types


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How cells are read.

    Attributes:
        decimal: "," or "." where a person has said so, else "".
        zone: of times without one; None is this machine's.
        folder: where artifact paths begin, and below which they stay.
        source: what a row without key and run name is called after.
    """

    decimal: str
    zone: tzinfo | None
    folder: Path
    source: str


@dataclass(kw_only=True)
class Row:
    """A run as its row tells it; what the row leaves empty is not in it.

    Attributes:
        number: what a spreadsheet shows.
        key: by which the run is found again.
        start_ms: milliseconds since 1970.
        end_ms: same.
        params: by name.
        metrics: by name.
        tags: by name, the note among them.
        artifacts: files and folders.
        emptied: params, metrics and tags whose cells are empty.
    """

    number: int
    key: str = ""
    name: str = ""
    status: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: list[Path] = field(default_factory=list)
    emptied: set[tuple[Kind, str]] = field(default_factory=set)

    def artifacts_digest(self) -> str:
        """Return the digest of the names and contents of the artifacts; '' without any."""
        if not self.artifacts:
            return ""
        each = "".join(f"{path.name}\n{digest.read(path).sha256}\n" for path in self.artifacts)
        return hashlib.sha256(each.encode()).hexdigest()


def read(sheet: Sheet, reading: Reading) -> tuple[list[Row], list[str]]:
    """Return what the rows say, and every fault by row and column."""
    head = {number: cells for number, cells in sheet.rows if number <= FIRST}
    names, kinds = ([_plain(cell) for cell in head.get(number, [])] for number in (1, FIRST))
    found, faults = columns.read(names, kinds)
    faults += _name_faults(found)
    if not any(kinds):
        allowed = ", ".join(Kind)
        faults = [f"row 2 is empty: it must say what each column is: {allowed}"]
    reader = _Reader(sheet, reading)
    rows = []
    for number, cells in sheet.rows:
        if number > FIRST:
            rows.append(reader.row(number, found, cells))
            faults += reader.take_faults()
            faults += _beyond(number, found, cells)
    if not rows and not faults:
        faults = ["no row below the two with names and types"]
    return rows, [*faults, *_twice(rows)]


def _plain(cell: Cell | Unreadable) -> str:
    return "" if isinstance(cell, Unreadable) else values.text(cell)


def _name_faults(found: Sequence[Column]) -> Iterator[str]:
    for column in found:
        place = f"row 1, column {column.letters} ({column.name})"
        if check := NAME_FAULTS.get(column.kind):
            try:
                check(column.name)
            except MlflowException as error:
                yield f"{place}: {error.message}"
        if len(column.name) > validation.MAX_ENTITY_KEY_LENGTH and column.kind in NAME_FAULTS:
            yield f"{place}: {len(column.name)} characters; allowed: {validation.MAX_ENTITY_KEY_LENGTH}"
        if column.kind is Kind.TAG and column.name.startswith(("mlflow.", tags.IMPORTED)):
            yield f"{place}: is set by MLflow or this import; use the types run name, note, start time or key"


def _beyond(number: int, found: Sequence[Column], cells: Sequence[Cell | Unreadable]) -> Iterator[str]:
    """Yield what stands in columns that nobody has named."""
    known = {column.place for column in found}
    for place, cell in enumerate(cells):
        if place not in known and not isinstance(cell, Unreadable) and values.text(cell):
            yield f"row {number}, column {columns.letters(place)}: a value, but rows 1 and 2 are empty there"


def _twice(rows: Sequence[Row]) -> Iterator[str]:
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        numbers[row.key].append(row.number)
    for key, of_key in numbers.items():
        if len(of_key) > 1:
            yield (
                f"rows {', '.join(map(str, of_key))}: each is run {key!r}; "
                "give each run a name of its own, or add a column of type key"
            )


class _Reader:
    def __init__(self, sheet: Sheet, reading: Reading) -> None:
        self._sheet = sheet
        self._reading = reading
        self._faults: list[str] = []

    def take_faults(self) -> list[str]:
        """Return what was wrong since the last time."""
        faults, self._faults = self._faults, []
        return faults

    def row(self, number: int, found: Sequence[Column], cells: Sequence[Cell | Unreadable]) -> Row:
        """Read a row; what is wrong with a cell leaves it out."""
        row = Row(number=number)
        for column in found:
            cell = cells[column.place] if column.place < len(cells) else None
            try:
                self._take(row, column, cell.had() if isinstance(cell, Unreadable) else cell)
            except ValueError as error:
                named = f" ({column.name})" if column.name else ""
                self._faults.append(f"row {number}, column {column.letters}{named}: {error}")
        row.key = row.key or row.name or f"{self._reading.source}!{number}"
        if row.start_ms is not None and row.end_ms is not None and row.end_ms < row.start_ms:
            self._faults.append(f"row {number}: its end time is before its start time")
        return row

    def _take(self, row: Row, column: Column, cell: Cell) -> None:
        told = values.text(cell)
        if not told:
            if column.kind in (*columns.NAMED, Kind.NOTE):
                row.emptied.add(_bearer(column))
            return
        if (longest := LONGEST.get(column.kind)) and len(told) > longest:
            raise ValueError(f"{len(told)} characters; MLflow keeps {longest}")
        if column.kind is Kind.METRIC:
            row.metrics[column.name] = self._number(cell)
        elif column.kind is Kind.PARAMETER:
            row.params[column.name] = told
        elif column.kind in (Kind.TAG, Kind.NOTE):
            row.tags[_bearer(column)[1]] = told
        elif column.kind is Kind.ARTIFACT_PATH:
            row.artifacts.append(self._artifact(told.strip()))
        elif column.kind in (Kind.START_TIME, Kind.END_TIME):
            setattr(row, ALONE[column.kind], self._moment(cell))
        elif column.kind in ALONE:
            setattr(row, ALONE[column.kind], _status(told) if column.kind is Kind.STATUS else told.strip())

    def _number(self, cell: Cell) -> float:
        likely = "," if self._sheet.comma else "."
        said = self._reading.decimal
        return values.number(cell, decimal=said or likely, sure=bool(said))

    def _moment(self, cell: Cell) -> int:
        return values.moment(cell, zone=self._reading.zone, old_dates=self._sheet.old_dates)

    def _artifact(self, told: str) -> Path:
        if "://" in told:
            raise ValueError(f"{told!r} is not on this machine; fetch it first, or make the column a tag")
        folder = self._reading.folder.resolve()
        path = (folder / told).resolve()
        # Somebody else's sheet must not upload this person's keys.
        if not path.is_relative_to(folder) or path == folder:
            raise ValueError(f"{told!r} is not below the sheet's folder, {folder}; copy it there")
        if not path.exists():
            raise ValueError(f"there is no {path}")
        return path


def _status(told: str) -> str:
    found = told.strip().upper()
    allowed = sorted(RunStatus.to_string(status) for status in RunStatus.all_status())
    if found not in allowed:
        raise ValueError(f"{told!r} is no status; allowed: {', '.join(allowed)}")
    return found


def _bearer(column: Column) -> tuple[Kind, str]:
    """Return where MLflow keeps the column: a note is a tag."""
    return (Kind.TAG, MLFLOW_RUN_NOTE) if column.kind is Kind.NOTE else (column.kind, column.name)
