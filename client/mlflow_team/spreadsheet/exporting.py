"""Writes an experiment's runs as a sheet that import reads back."""

import csv
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from mlflow_team import tags
from mlflow_team.bad_input import BadInputError

from . import guard
from .columns import Kind

if TYPE_CHECKING:
    from mlflow.entities import Run

MOST_COLUMNS, MOST_ROWS = 16_384, 1_048_576  # of an .xlsx sheet
ALONE = (Kind.KEY, Kind.RUN_NAME, Kind.STATUS, Kind.START_TIME, Kind.END_TIME, Kind.NOTE)
Value = str | float


def write(runs: Sequence["Run"], path: Path) -> None:
    """Write them, whole or not at all.

    Raises:
        BadInputError: the file is there already, or cannot hold them.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".xlsx"):
        raise BadInputError([f"FILE is {path}: ends in {suffix!r}; allowed: .csv, .xlsx"])
    if path.exists():
        raise BadInputError([f"FILE is {path}, which is there already: name another one"])
    table = list(_table(runs))
    if suffix == ".xlsx" and (len(table[0]) > MOST_COLUMNS or len(table) > MOST_ROWS):
        raise BadInputError(
            [f"{len(table):,} rows of {len(table[0]):,} columns are too many for an .xlsx file: .csv"]
        )
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            unfinished = Path(file.name)
            try:
                (_text if suffix == ".csv" else _workbook)(table, file)
                file.flush()
                os.link(unfinished, path)  # fails where there is a file by now
            finally:
                unfinished.unlink()
    except OSError as error:
        raise BadInputError([f"FILE is {path}: {error.strerror or error}"]) from None


def _table(runs: Sequence["Run"]) -> Iterator[list[Value]]:
    params = sorted({name for run in runs for name in run.data.params})
    metrics = sorted({name for run in runs for name in run.data.metrics})
    others = sorted({name for run in runs for name in run.data.tags if _own(name)})
    yield [*ALONE, *params, *metrics, *others]
    yield [
        *ALONE,
        *(Kind.PARAMETER for _ in params),
        *(Kind.METRIC for _ in metrics),
        *(Kind.TAG for _ in others),
    ]
    for run in runs:
        info, data = run.info, run.data
        yield [
            data.tags.get(tags.IMPORT_KEY, info.run_id),
            info.run_name or "",
            info.status,
            _time(info.start_time),
            _time(info.end_time),
            data.tags.get(MLFLOW_RUN_NOTE, ""),
            *(data.params.get(name, "") for name in params),
            *(data.metrics.get(name, "") for name in metrics),
            *(data.tags.get(name, "") for name in others),
        ]


def _own(tag: str) -> bool:
    return not tag.startswith(("mlflow.", tags.IMPORTED))


def _time(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _text(table: Sequence[Sequence[Value]], file: IO[bytes]) -> None:
    # With a byte order mark: Excel takes it for its own code page otherwise.
    with open(file.fileno(), "w", encoding="utf-8-sig", newline="", closefd=False) as text:
        csv.writer(text).writerows(
            [guard.on(cell) if isinstance(cell, str) else repr(cell) for cell in row] for row in table
        )


def _workbook(table: Sequence[Sequence[Value]], file: IO[bytes]) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - the extra `sheets`
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet("runs")
    sheet.freeze_panes = "C3"
    for row in table:
        cells = []
        for value in row:
            finite = isinstance(value, float) and abs(value) < float("inf")
            cell = WriteOnlyCell(sheet, value if finite else guard.escape(str(value)))
            if not finite:
                cell.data_type = "s"  # a text, even where it looks like a formula
            cells.append(cell if value != "" else None)
        sheet.append(cells)
    book.save(file)
