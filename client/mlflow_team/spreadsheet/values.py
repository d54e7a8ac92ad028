"""What a cell's value is: a text, a number, a moment. A ValueError says what is wrong, and what mends it."""

import math
import re
import unicodedata
from datetime import datetime, timedelta, tzinfo

from .sheet import Cell

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
# Of thousands; a group that begins with 0 is none.
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
LONE = re.compile(r"[+-]?\d+,\d+")
SWAP = str.maketrans(",.", ".,")
NO_FINITE = re.compile(r"[+-]?(inf(inity)?|nan)", re.IGNORECASE)
# ISO 8601 is read by Python; these are what spreadsheets show in Japan and in Germany.
SHAPES = tuple(
    day + time
    for day in ("%Y/%m/%d", "%Y年%m月%d日", "%d.%m.%Y")
    for time in ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f")
)
# Day 0 of a serial number, of 1900 and of 1904. The former takes 1900 for a leap year: before March it errs.
DAY_ZERO = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}  # noqa: DTZ001 - the zone is told later
FIRST_DAY, LAST_DAY = 61, 2958466
EXAMPLE = "2026-11-24 14:30"


def text(cell: Cell) -> str:
    """Return the cell as a text, as a person sees it; an empty one is ''."""
    if isinstance(cell, datetime):
        midnight = (cell.hour, cell.minute, cell.second, cell.microsecond) == (0, 0, 0, 0)
        return cell.date().isoformat() if midnight else cell.isoformat(" ")
    found = "" if cell is None else str(cell)
    return found if found.strip() else ""


def number(cell: Cell, *, decimal: str, sure: bool) -> float:
    """Return the cell as a number.

    Args:
        cell: not empty.
        decimal: the sign, "." or ",".
        sure: a person has said so; else the other sign counts too, where it can be nothing else.

    Raises:
        ValueError: it is none, or could be two.
    """
    if isinstance(cell, bool | datetime):
        raise ValueError(f"{text(cell)!r} is no number")  # noqa: TRY004 - of a sheet, not of a program
    if isinstance(cell, int | float):
        return float(cell)
    told = unicodedata.normalize("NFKC", text(cell)).strip().replace("\N{MINUS SIGN}", "-")
    if NO_FINITE.fullmatch(told):
        return float(told)
    found = _finite(told if decimal == "." else told.translate(SWAP), sure=sure)
    if found is None:
        raise ValueError(f"{text(cell)!r} is no number; write it as 0{decimal}97, or leave the cell empty")
    if math.isinf(found):
        raise ValueError(f"{text(cell)!r} is larger than a number may be; write inf where it is meant")
    return found


def _finite(told: str, *, sure: bool) -> float | None:
    """Return the number in a text whose likely decimal sign is a point."""
    if NUMBER.fullmatch(told):
        return float(told)
    if GROUPED.fullmatch(told):
        if not sure and LONE.fullmatch(told):
            as_sign, as_group = told.replace(",", "."), told.replace(",", "")
            raise ValueError(f"is it {as_sign} or {as_group}? say it for all: --decimal , or --decimal .")
        return float(told.replace(",", ""))
    return None if sure or told == told.translate(SWAP) else _finite(told.translate(SWAP), sure=True)


def moment(cell: Cell, *, zone: tzinfo | None, old_dates: bool = False) -> int:
    """Return the cell as MLflow's milliseconds since 1970.

    Args:
        cell: not empty; a number is a spreadsheet's serial one.
        zone: of times without one; None is this machine's.
        old_dates: serial numbers count from 1904.

    Raises:
        ValueError: it is no time, or could be two.
    """
    found = _datetime(cell, old_dates=old_dates)
    if found is None:
        raise ValueError(
            f"{text(cell)!r} is no time; write it as {EXAMPLE}, or with a zone: 2026-11-24T14:30+09:00"
        )
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone) if zone else found.astimezone()
    told = round(found.timestamp() * 1000)
    if told < 0:
        raise ValueError(f"{text(cell)!r} is before 1970")
    return told


def _datetime(cell: Cell, *, old_dates: bool) -> datetime | None:
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        if not FIRST_DAY <= cell < LAST_DAY:
            return None
        return DAY_ZERO[old_dates] + timedelta(milliseconds=round(cell * 86_400_000))
    told = unicodedata.normalize("NFKC", text(cell)).strip()
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        pass
    for shape in SHAPES:
        try:
            return datetime.strptime(told, shape)  # noqa: DTZ007 - moment() adds the zone
        except ValueError:
            continue
    return None
