"""From source data to results and back: runs joined by the digests of what went in and came out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import data
from .data import OUTPUT

if TYPE_CHECKING:
    from mlflow.entities import Run

# Runs that one picture can show, and a person follow.
MOST_RUNS = 200

Find = Callable[[str], Iterable["Run"]]


@dataclass
class Lineage:
    """Runs, and the data between them.

    Attributes:
        asked: id of the run that was asked for.
        runs: those found, by id.
        names: what each digest is called, as the first run that has it does.
        makers: ids of the runs that made the data, by digest.
        users: ids of the runs that used it.
        cut: there is more than is shown.
    """

    asked: str
    runs: dict[str, "Run"] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    makers: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    cut: bool = False

    def add(self, run: "Run") -> list[str]:
        """Take a run in and return the digests of what it has on record."""
        self.runs[run.info.run_id] = run
        for each in data.of(run):
            self.names.setdefault(each.digest, each.name)
            side = self.makers if each.context == OUTPUT else self.users
            side.setdefault(each.digest, []).append(run.info.run_id)
        return [each.digest for each in data.of(run)]

    def made_by(self, run_id: str) -> list[str]:
        """Return digests of what the run made."""
        return [digest for digest, runs in self.makers.items() if run_id in runs]

    def used_by(self, run_id: str) -> list[str]:
        """Return digests of what the run used."""
        return [digest for digest, runs in self.users.items() if run_id in runs]


def follow(run: "Run", find: Find) -> Lineage:
    """Follow a run's data to the runs that made or used them, and theirs, in both directions.

    Args:
        run: where to begin.
        find: returns the runs that have data of this digest on record.
    """
    lineage = Lineage(run.info.run_id)
    open_digests, seen = deque(lineage.add(run)), set[str]()
    while open_digests:
        digest = open_digests.popleft()
        if digest in seen:
            continue
        seen.add(digest)
        for other in find(digest):
            if other.info.run_id in lineage.runs:
                continue
            if len(lineage.runs) >= MOST_RUNS:
                lineage.cut = True
                return lineage
            open_digests.extend(lineage.add(other))
    return lineage


def text(lineage: Lineage) -> str:
    """Return the lineage as a tree from source data to results; what stands above already is named alone."""
    sources = [digest for digest in lineage.names if digest not in lineage.makers]
    first_runs = [each for each in lineage.runs if not lineage.used_by(each)]
    shown: set[str] = set()
    lines = [
        *(line for digest in sources for line in _data_lines(lineage, digest, shown)),
        *(line for run_id in first_runs for line in _run_lines(lineage, run_id, shown)),
        # What only goes round in a circle has no source.
        *(
            line
            for run_id in lineage.runs
            if run_id not in shown
            for line in _run_lines(lineage, run_id, shown)
        ),
    ]
    if lineage.cut:
        lines.append(f"… more than {MOST_RUNS} runs: begin at a later one")
    return "\n".join(lines)


def _data_lines(lineage: Lineage, digest: str, shown: set[str]) -> Iterator[str]:
    label = f"{lineage.names[digest]}  sha256:{digest[:12]}"
    if digest in shown:
        yield f"{label}  (above)"
        return
    shown.add(digest)
    yield label
    yield from _below([_run_lines(lineage, run_id, shown) for run_id in lineage.users.get(digest, ())])


def _run_lines(lineage: Lineage, run_id: str, shown: set[str]) -> Iterator[str]:
    run, mark = lineage.runs[run_id], "  <-- asked for" if run_id == lineage.asked else ""
    begun = datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    label = f"[{run.info.run_name}] {run_id}  {run.info.status}  {run.info.user_id or '?'}  {begun} UTC"
    if run_id in shown:
        yield f"[{run.info.run_name}] {run_id}  (above)"
        return
    shown.add(run_id)
    yield label + mark
    yield from _below([_data_lines(lineage, digest, shown) for digest in lineage.made_by(run_id)])


def _below(branches: list[Iterator[str]]) -> Iterator[str]:
    for number, branch in enumerate(branches, 1):
        last = number == len(branches)
        for index, line in enumerate(branch):
            yield ("└─ " if last else "├─ ") + line if index == 0 else ("   " if last else "│  ") + line
