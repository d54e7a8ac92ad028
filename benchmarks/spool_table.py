"""What `benchmarks.spool` prints: one line for each form, state of the server and way to log."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

COLUMNS = ("a step", "server", "how", "median s", "of the spool's", "lost", "exit code", "each, s")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a script.

    Attributes:
        form: how it logs what belongs to a step.
        server: what becomes of that meanwhile.
        how: with the spool, or what of plain MLflow.
    """

    form: str
    server: str
    how: str
    number: int

    @property
    def name(self) -> str:
        """Return its run's name."""
        return f"{self.form} {self.server} {self.how} {self.number}".replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        seconds: wall time of the process.
        exit_code: none when it had not ended after the longest time that we wait.
        rows: its metrics in the database, in the end.
    """

    trial: Trial
    seconds: float
    exit_code: int | None
    rows: int


def table(outcomes: Sequence[Outcome], expected: int, reference: str) -> str:
    """Return the lines.

    Args:
        outcomes: all of them.
        expected: rows of a run that lost nothing.
        reference: the way to log that the others are compared with.
    """
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        trial = outcome.trial
        groups.setdefault((trial.form, trial.server, trial.how), []).append(outcome)
    lines: list[tuple[str, ...]] = [COLUMNS]
    for (form, server, how), group in sorted(groups.items(), key=lambda item: item[0][:2]):
        median, of = (
            statistics.median(each.seconds for each in groups[form, server, one]) for one in (how, reference)
        )
        seconds = " ".join(f"{each:.1f}" for each in sorted(each.seconds for each in group))
        lost = sorted({expected - each.rows for each in group})
        codes = sorted({"cut off" if each.exit_code is None else str(each.exit_code) for each in group})
        counts = (f"{median:.1f}", f"{median / of:.2f}", _range(lost), ", ".join(codes), seconds)
        lines.append((form, server, how, *counts))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _range(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"
