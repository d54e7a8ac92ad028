"""The table, the file and the plot of a benchmark."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.installations import FOLDER

FILE = FOLDER / "results.json"
PLOT = FOLDER / "results.png"
Pair = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Result:
    """Medians of one scenario; a ratio is how many times better ours is, whatever better means."""

    scenario: str
    unit: str
    ours: float
    stock_default: float | None
    stock_tuned: float | None
    bound: float | None
    ratio_default: float | None
    ratio_tuned: float | None
    ratio_bound: float | None
    pairs: Sequence[Pair]


def result(scenario: str, unit: str, pairs: Sequence[Pair], *, rate: bool) -> Result:
    """Put the pairs of one scenario together; ratios are medians of each pair's own."""
    return Result(
        scenario=scenario,
        unit=unit,
        ours=statistics.median(pair["ours"] for pair in pairs),
        stock_default=_median(pair.get("stock_default") for pair in pairs),
        stock_tuned=_median(pair.get("stock_tuned") for pair in pairs),
        bound=_median(pair.get("bound") for pair in pairs),
        ratio_default=_median(_ratio(pair, "stock_default", rate=rate) for pair in pairs),
        ratio_tuned=_median(_ratio(pair, "stock_tuned", rate=rate) for pair in pairs),
        ratio_bound=_median(_ratio(pair, "bound", rate=rate) for pair in pairs),
        pairs=pairs,
    )


def _median(values: Sequence[float | None] | object) -> float | None:
    known = [value for value in values if value is not None]  # type: ignore[attr-defined]
    return statistics.median(known) if known else None


def _ratio(pair: Pair, other: str, *, rate: bool) -> float | None:
    ours, theirs = pair["ours"], pair.get(other)
    if not ours or not theirs:
        return None
    return ours / theirs if rate else theirs / ours


def report(results: Sequence[Result]) -> None:
    """Write file and plot, and print the table."""
    FOLDER.mkdir(exist_ok=True)
    FILE.write_text(json.dumps([asdict(each) for each in results], indent=1))
    heads = ("scenario", "unit", "ours", "default", "tuned", "bound", "x default", "x tuned", "x bound")
    widths = (28, 14, 10, 10, 10, 10, 10, 10, 10)
    print("".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)))
    for each in results:
        numbers = (
            each.ours,
            each.stock_default,
            each.stock_tuned,
            each.bound,
            each.ratio_default,
            each.ratio_tuned,
            each.ratio_bound,
        )
        texts = (
            each.scenario,
            each.unit,
            *("-" if number is None else f"{number:.4g}" for number in numbers),
        )
        print("".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)))
    _plot([each for each in results if each.ratio_default or each.ratio_tuned], PLOT)
    print(f"written: {FILE.relative_to(FOLDER.parent)}, {PLOT.relative_to(FOLDER.parent)}")


def _plot(results: Sequence[Result], path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(8, 1 + 0.5 * len(results)), layout="constrained")
    axes = figure.subplots()
    names = [each.scenario for each in results]
    for offset, (label, key) in enumerate(
        (("stock default", "ratio_default"), ("stock tuned", "ratio_tuned"))
    ):
        ratios = [getattr(each, key) or math.nan for each in results]
        bars = axes.barh(
            [place + 0.2 - 0.4 * offset for place in range(len(names))], ratios, 0.4, label=label
        )
        axes.bar_label(bars, [f"{ratio:.1f}" for ratio in ratios], padding=3)
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times better than")
    axes.legend()
    axes.invert_yaxis()
    figure.savefig(path, dpi=120)
