"""A sheet of an .xlsx or .csv file as rows of cells."""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from mlflow_team.bad_input import BadInputError

from . import columns, guard

# Unpacked: a sheet of 10,000 rows and 100 columns has about 40 MB.
LARGEST = 256 * 1024 * 1024
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

Cell = str | int | float | bool | datetime | None


@dataclass(frozen=True)
class Unreadable:
    """A cell whose value cannot be had.

    Attributes:
        why: with what mends it.
    """

    why: str

    def had(self) -> NoReturn:
        """Say so.

        Raises:
            ValueError: always.
        """
        raise ValueError(self.why)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a file says.

    Attributes:
        name: the sheet's; of a .csv file, none.
        taken: how it was read, for people.
        rows: the number that a spreadsheet shows, and the cells; empty rows are left out.
        comma: the decimal sign is a comma wherever it may be one: spreadsheets that write `;` write it so.
        old_dates: serial numbers count from 1904.
    """

    name: str
    taken: str
    rows: list[tuple[int, list[Cell | Unreadable]]] = field(repr=False)
    comma: bool = False
    old_dates: bool = False


def read(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> Sheet:
    """Read a file.

    Raises:
        BadInputError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in (".xlsx", ".xlsm", ".csv", ".tsv", ".txt"):
        raise BadInputError(
            [f"{path}: ends in {suffix!r}; allowed: .xlsx, .csv, .tsv: save it as one of them"]
        )
    try:
        if path.stat().st_size > LARGEST:
            raise BadInputError([f"{path}: larger than {LARGEST >> 20} MiB: split it"])
        return _workbook(path, sheet) if suffix.startswith(".xls") else _text(path, encoding)
    except OSError as error:
        raise BadInputError([f"{path}: {error.strerror or error}"]) from None


def _text(path: Path, encoding: str | None) -> Sheet:
    text, taken = _decode(path, path.read_bytes(), encoding)
    if "\0" in text:
        raise BadInputError([f"{path}: not text in {taken}: name its encoding: --encoding utf-16-le"])
    separator = _separator(text)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise BadInputError([f"{path}: {error}: mend the quotes, or save it anew"]) from None
    rows = [(number, [guard.off(cell) for cell in row]) for number, row in enumerate(table, 1)]
    return Sheet(
        name="",
        taken=f"{taken}, separated by {SEPARATORS[separator]}",
        rows=[(number, [*row]) for number, row in rows if any(cell.strip() for cell in row)],
        comma=separator == ";",
    )


def _decode(path: Path, content: bytes, encoding: str | None) -> tuple[str, str]:
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    tried = [encoding] if encoding else [marked] if marked else ["utf-8", "cp932"]
    for name in tried:
        try:
            return content.decode(name), name
        except UnicodeError:
            continue
        except LookupError:
            raise BadInputError([f"--encoding is {name!r}: no encoding; for example utf-8, cp932"]) from None
    raise BadInputError([f"{path}: not text in {' or '.join(tried)}: name its encoding: --encoding latin-1"])


def _separator(text: str) -> str:
    """Return the one with which the second row has most types."""

    def types(separator: str) -> int:
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
            next(rows, None)
            return sum(columns.kind(cell) is not None for cell in next(rows, []))
        except csv.Error:
            return 0

    return max(SEPARATORS, key=types)


def _workbook(path: Path, sheet: str | None) -> Sheet:
    import openpyxl  # noqa: PLC0415 - the extra `sheets`
    from openpyxl.utils.datetime import CALENDAR_MAC_1904  # noqa: PLC0415 - same

    try:
        with zipfile.ZipFile(path) as parts:  # a part is read up to the size that it declares, no further
            size = sum(part.file_size for part in parts.infolist())
        if size > LARGEST:
            raise BadInputError([f"{path}: {size >> 20} MiB unpacked, at most {LARGEST >> 20}: split it"])
        values, formulas = (openpyxl.load_workbook(path, read_only=True, data_only=d) for d in (True, False))
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError) as error:
        raise BadInputError([f"{path}: no .xlsx file ({error}): save it as one"]) from None
    try:
        names = [each.title for each in values.worksheets]
        if not names or (sheet is not None and sheet not in names):
            raise BadInputError([f"--sheet is {sheet!r}; {path} has: {', '.join(names) or 'none'}"])
        name = sheet or names[0]
        return Sheet(
            name=name,
            taken=f"sheet {name!r}" + (f" of {', '.join(names)}" if len(names) > 1 else ""),
            rows=list(_rows(values[name], formulas[name])),
            old_dates=values.epoch == CALENDAR_MAC_1904,
        )
    finally:
        values.close()
        formulas.close()


def _rows(values: Any, formulas: Any) -> Iterator[tuple[int, list[Cell | Unreadable]]]:
    for each in (values, formulas):
        each.reset_dimensions()  # what a file says of its own size is often wrong
    for number, (shown, written) in enumerate(zip(values.iter_rows(), formulas.iter_rows(), strict=True), 1):
        row = [_cell(a, b) for a, b in zip(shown, written, strict=True)]
        if any(isinstance(cell, Unreadable) or (cell is not None and str(cell).strip()) for cell in row):
            yield number, row


def _cell(shown: Any, written: Any) -> Cell | Unreadable:
    if written.data_type == "f" and shown.value is None:
        return Unreadable("a formula without its value: open the file in a spreadsheet and save it there")
    if shown.data_type == "e":
        return Unreadable(f"the formula ends in {shown.value}: mend it")
    value = shown.value
    if isinstance(value, str):
        return guard.unescape(value)
    if value is None or isinstance(value, bool | int | float | datetime):
        return value
    return str(value)
