"""Writes a comparison: for a terminal, for a pull request, for a program."""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .comparison import Comparison, ParamChange, Row

HEADS = ("metric", "run", "baseline", "change", "%", "better is", "tolerance", "verdict")
PARAM_HEADS = ("parameter", "run", "baseline")
NONE = "-"
LONGEST = 60  # characters of a value in a table


def text(comparison: Comparison) -> str:
    """Write it for a terminal."""
    parts = [_title(comparison), _aligned(HEADS, [_cells(row) for row in comparison.rows])]
    if comparison.params:
        parts.append(_aligned(PARAM_HEADS, [_param_cells(change) for change in comparison.params]))
    else:
        parts.append("no parameter differs")
    return "\n\n".join(parts)


def markdown(comparison: Comparison) -> str:
    """Write it for a pull request."""
    parts = [_escaped(_title(comparison)), _piped(HEADS, [_cells(row) for row in comparison.rows])]
    if comparison.params:
        parts.append(_piped(PARAM_HEADS, [_param_cells(change) for change in comparison.params]))
    else:
        parts.append("no parameter differs")
    return "\n\n".join(parts)


def to_json(comparison: Comparison) -> str:
    """Write it for a program."""
    said: dict[str, Any] = asdict(comparison)
    said |= {"worse": comparison.worse, "own_baseline": comparison.own_baseline}
    said["rows"] = [{key: _jsonable(value) for key, value in row.items()} for row in said["rows"]]
    return json.dumps(said, ensure_ascii=False, indent=2, allow_nan=False)


def _title(comparison: Comparison) -> str:
    this = f"{_one_line(comparison.run_name)} ({comparison.run_id})"
    if comparison.own_baseline:
        return f"{this} is its own baseline, by {_one_line(comparison.selector)}"
    that = f"{_one_line(comparison.baseline_name)} ({comparison.baseline_id})"
    return f"{this} against baseline {that}, by {_one_line(comparison.selector)}"


def _cells(row: Row) -> list[str]:
    return [
        _one_line(row.name),
        _number(row.value),
        _number(row.baseline),
        _number(row.absolute, "+"),
        NONE if row.relative is None else f"{row.relative * 100:+.3g}",
        row.direction or "unknown",
        f"{row.tolerance * 100:g} %" if row.direction else NONE,
        NONE if row.verdict == "unknown" else row.verdict,
    ]


def _param_cells(change: ParamChange) -> list[str]:
    return [
        _one_line(change.name),
        *(NONE if value is None else _one_line(value) for value in (change.value, change.baseline)),
    ]


def _number(value: float | None, sign: str = "") -> str:
    return NONE if value is None else f"{value:{sign}.6g}"


def _one_line(value: str) -> str:
    """Keep a stranger's text from moving the cursor of who reads it."""
    seen = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)
    return seen if len(seen) <= LONGEST else f"{seen[: LONGEST - 1]}…"


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _piped(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(cell: str) -> str:
    marks = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]|~#@"})
    return html.escape(cell, quote=False).translate(marks)


def _jsonable(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
