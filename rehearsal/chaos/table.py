"""What a person reads of a chaos rehearsal: one line per fault, one per kind of death."""

from collections.abc import Callable, Iterable, Sequence

from rehearsal.chaos.plan import LABELS, Death
from rehearsal.chaos.verdict import Outcome

HEADER = (
    "", "rounds", "processes", "runs", "values", "sent", "lost", "doubled", "wait value", "artifact", "start",
)  # fmt: skip
VALUES = ("metric", "param", "tag")


def table(outcomes: Sequence[Outcome]) -> str:
    """Return it; waits are the longest of any call, in seconds."""
    rows = [HEADER]
    rows += _rows(outcomes, LABELS, lambda outcome: outcome.trial.label)
    rows.append(("",) * len(HEADER))
    rows += _rows(outcomes, Death, lambda outcome: outcome.trial.death)
    rows.append(("",) * len(HEADER))
    rows.append(_row("all", outcomes))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    )


def _rows(
    outcomes: Iterable[Outcome], names: Iterable[str], name_of: Callable[[Outcome], str]
) -> list[tuple[str, ...]]:
    found = {name: [outcome for outcome in outcomes if name_of(outcome) == name] for name in names}
    return [_row(name, struck) for name, struck in found.items() if struck]


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    def longest(*kinds: str) -> str:
        return f"{max((o.waits.get(kind, 0.0) for o in outcomes for kind in kinds), default=0.0):.2f}"

    rounds = {outcome.trial.round for outcome in outcomes}
    sums = (
        sum(getattr(outcome, what) for outcome in outcomes)
        for what in ("runs", "logged", "sent", "lost", "duplicates")
    )
    return (
        name, str(len(rounds)), str(len(outcomes)), *(f"{number:,}" for number in sums),
        longest(*VALUES), longest("artifact"), longest("start"),
    )  # fmt: skip
