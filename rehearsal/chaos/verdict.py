"""Holds what a training process said it logged against what is on the server."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rehearsal.chaos.ledger import Account, Entry
from rehearsal.chaos.plan import Death, Trial
from rehearsal.chaos.stored import StoredRun

INCOMPLETE, LOCAL_ID, PARENT = "mlflow_team.incomplete", "mlflow_team.local_id", "mlflow.parentRunId"
LOCAL = "local-"
LOGGED = ("metric", "param", "tag", "artifact")
VALUES = ("metric", "param", "tag")
ENDED = {"FINISHED", "FAILED", "KILLED"}
# A value is written to a file and that is all; a start may ask for ten seconds before it goes on alone.
VALUE_SECONDS, START_SECONDS = 10.0, 40.0
# Equal points of one millisecond are moved apart.
TIMESTAMP_MILLISECONDS = 1000
NAMED = 3
CODES = {
    Death.NONE: {0},
    Death.ERROR: {1},
    Death.SIGKILL: {-9, 0},
    Death.SIGTERM: {143, -15, 0},
    Death.SIGINT: {130, -2, 0},
}


@dataclass
class Outcome:
    """What became of one training process.

    Attributes:
        logged: calls' entries that returned.
        sent: of those, how many are on the server.
        lost: how many the package counted as lost.
        duplicates: entries on the server more often than they were logged.
        waits: longest wait in seconds, by kind of call.
        violations: sentences; empty when all is as promised.
    """

    trial: Trial
    runs: int = 0
    logged: int = 0
    sent: int = 0
    lost: int = 0
    duplicates: int = 0
    waits: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Verdict:
    """Judges one training process."""

    def __init__(
        self,
        trial: Trial,
        account: Account,
        stored: Sequence[StoredRun],
        *,
        code: int | None,
        last_words: str,
        told_lost: Mapping[str, int],
    ) -> None:
        """Take all there is to know.

        Args:
            trial: what was planned.
            account: what the process says.
            stored: the runs that bear its name.
            code: how it ended, None when it had to be ended.
            last_words: end of its stderr.
            told_lost: lost values as the package's command told them, by the id of a run.
        """
        self._trial = trial
        self._account = account
        self._runs: dict[str, list[StoredRun]] = defaultdict(list)
        for run in stored:
            if not run.deleted:
                self._runs[run.name].append(run)
        self._code = code
        self._last_words = last_words
        self._told_lost = told_lost

    def outcome(self) -> Outcome:
        """Return what became of it."""
        outcome = Outcome(self._trial, runs=len(self._account.runs()))
        outcome.violations += self._of_process()
        for name in self._runs.keys() - set(self._account.runs()):
            outcome.violations.append(f"run {name} is on the server and was never started")
        for entry, call in self._account.of("start"):
            outcome.violations += self._of_start(entry, call.told if call.returned else "")
            self._judge_entries(entry.run, outcome)
            outcome.violations += self._of_end(entry.run)
        for call in self._account.calls:
            kind = call.entries[0].kind
            outcome.waits[kind] = max(outcome.waits.get(kind, 0.0), call.seconds or 0.0)
        outcome.violations += self._of_waits(outcome.waits)
        return outcome

    def _of_process(self) -> Iterator[str]:
        if self._code is None:
            yield f"the process did not end and was killed: {self._last_words}"
        elif self._code not in CODES[self._trial.death]:
            yield f"the script ended with exit code {self._code}: {self._last_words}"
        for call in self._account.calls:
            if call.raised:
                yield f"{_shown(call.entries[0])} raised {call.raised.splitlines()[0]}"

    def _of_start(self, entry: Entry, told: str) -> Iterator[str]:
        runs = self._runs[entry.run]
        if len(runs) > 1:
            yield f"run {entry.run} is on the server {len(runs)} times: {[run.run_id for run in runs]}"
        for run in runs:
            known = run.tags.get(LOCAL_ID) if told.startswith(LOCAL) else run.run_id
            if told and known != told:
                yield f"run {entry.run} was started as {told} and is on the server as {known}"
            parents = [parent.run_id for parent in self._runs[entry.key]] if entry.key else [None]
            if run.tags.get(PARENT) not in parents:
                yield f"run {entry.run} has the parent {run.tags.get(PARENT)}, it was started in {parents}"
        if told and not runs:
            yield f"run {entry.run} was started as {told} and is not on the server"

    def _judge_entries(self, name: str, outcome: Outcome) -> None:
        attempted, returned = Counter[Entry](), Counter[Entry]()
        for entry, call in self._account.of(*LOGGED):
            if entry.run == name:
                attempted[entry] += 1
                returned[entry] += call.returned
        stored = sum((run.entries for run in self._runs[name]), Counter[Entry]())
        _forget_overwritten(name, self._account, returned)
        missing = returned - stored
        outcome.logged += returned.total()
        outcome.sent += (returned & stored).total()
        lost = self._lost(name)
        outcome.lost += lost
        if missing.total() > lost:
            outcome.violations.append(
                f"run {name}: {missing.total()} logged values are not on the server, {lost} counted as lost: "
                + _listed(missing)
            )
        for entry, number in (stored - attempted).items():
            if attempted[entry]:
                outcome.duplicates += number
                outcome.violations.append(
                    f"run {name}: {_shown(entry)} was logged {attempted[entry]} times and is on the server "
                    f"{stored[entry]} times"
                )
            else:
                outcome.violations.append(
                    f"run {name}: {_shown(entry)} is on the server and was never logged"
                )
        refused = sum(
            number
            for entry, number in attempted.items()
            if entry.kind == "param" and "changed" in entry.value
        )
        unsure = attempted.total() - returned.total()
        if lost > refused + unsure and not self._trial.may_lose:
            outcome.violations.append(
                f"run {name}: {lost} values counted as lost, no more than {refused} had to be"
            )
        outcome.violations += self._of_timestamps(name)

    def _lost(self, name: str) -> int:
        runs = self._runs[name]
        tags = [json.loads(run.tags[INCOMPLETE])["lost"] for run in runs if INCOMPLETE in run.tags]
        told = [
            self._told_lost.get(call.told, 0)
            for entry, call in self._account.of("start")
            if entry.run == name and call.told and not runs
        ]
        return int(sum([*tags, *told]))

    def _of_end(self, name: str) -> Iterator[str]:
        ends = [call for entry, call in self._account.of("end") if entry.run == name]
        started = any(call.returned for entry, call in self._account.of("start") if entry.run == name)
        if any(call.returned for call in ends):
            allowed = {"FINISHED"}
        elif ends or not started:
            allowed = ENDED
        else:
            allowed = {"FAILED"} if self._trial.death in {Death.ERROR, Death.NONE} else {"KILLED"}
        for run in self._runs[name]:
            if run.status not in allowed:
                yield f"run {name} ({run.run_id}) is {run.status}, not {' or '.join(sorted(allowed))}"

    def _of_timestamps(self, name: str) -> Iterator[str]:
        if self._trial.clock_steps:
            return
        called: dict[Entry, list[tuple[float, float]]] = defaultdict(list)
        for entry, call in self._account.of("metric"):
            if entry.run == name and call.returned:
                called[entry].append((call.clock * 1000, (call.clock + (call.seconds or 0)) * 1000))
        for run in self._runs[name]:
            for entry, stamps in run.timestamps.items():
                times = called[entry]
                for stamp, (begun, ended) in zip(sorted(stamps), times, strict=False):
                    if len(stamps) == len(times) and not begun - 1 <= stamp <= ended + TIMESTAMP_MILLISECONDS:
                        yield f"run {name}: {_shown(entry)} was logged at {begun:.0f} ms, stored at {stamp}"

    @staticmethod
    def _of_waits(waits: Mapping[str, float]) -> Iterator[str]:
        for kind, longest in {**dict.fromkeys(VALUES, VALUE_SECONDS), "start": START_SECONDS}.items():
            if waits.get(kind, 0) > longest:
                yield f"a {kind} kept the script waiting for {waits[kind]:.1f} s, more than {longest:.0f}"


def _forget_overwritten(name: str, account: Account, returned: Counter[Entry]) -> None:
    """Ask of each tag for no more than its last value: another call for it may have replaced the others."""
    before: dict[str, Entry] = {}
    for entry, _ in account.of("tag"):
        if entry.run == name:
            if entry.key in before:
                returned[before[entry.key]] = 0
            before[entry.key] = entry


def _shown(entry: Entry) -> str:
    value = entry.value if len(entry.value) < 50 else f"{entry.value[:47]}..."  # noqa: PLR2004 - fits a line
    step = f" at step {entry.step}" if entry.kind == "metric" else ""
    return f"{entry.kind} {entry.key}={value}{step}".replace("start =", "start of a run").replace(
        "end =", "end of a run as "
    )


def _listed(entries: Counter[Entry]) -> str:
    shown = [f"{_shown(entry)}" + (f" ({n} times)" if n > 1 else "") for entry, n in entries.items()]
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return "; ".join(shown[:NAMED]) + more
