"""Runs planned rounds on a rehearsed stack, one after the other, and judges what came of them."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rehearsal.chaos.children import Children
from rehearsal.chaos.faults import Service
from rehearsal.chaos.nursery import Birth
from rehearsal.chaos.plan import Round, Trial
from rehearsal.chaos.proxy import FaultProxy
from rehearsal.chaos.small_disk import SmallDisk
from rehearsal.chaos.stored import Stored
from rehearsal.chaos.sync import SyncCommand
from rehearsal.chaos.training_process import Lines, TrainingProcess
from rehearsal.chaos.verdict import Outcome, Verdict
from rehearsal.laptop import ROOT
from rehearsal.stack import RehearsedStack

# Of all processes of a round, whose faults last up to a quarter of a minute.
ROUND_SECONDS = 120.0
# A request that hangs is let go before.
QUIET_SECONDS = 40.0
COMMAND_SECONDS = 60.0
LOOK_SECONDS = 0.02
# What costs a core per process and is not tried here; without PROVENANCE no piece would watch a run's end.
QUIETLY = {
    "MLFLOW_TEAM_DIFF": "off",
    "MLFLOW_TEAM_PACKAGES": "off",
    "MLFLOW_TEAM_NOTIFY": "off",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_PROXY": "localhost,127.0.0.1",
    "PYTHONPATH": str(ROOT),
}


class RoundError(RuntimeError):
    """The harness itself failed."""


class Rounds:
    """Runs rounds while the context is open.

    Attributes:
        proxy: which all requests pass.
    """

    def __init__(  # noqa: D417
        self, stack: RehearsedStack, folder: Path, *, most_requests: int, patches: Sequence[str] = ()
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: ledgers, spools and what the processes said; everybody's tests may share the stack.
            most_requests: bound over all rounds.
            patches: modules that are run in each training process before its script.
        """
        if stack.laptop is None:
            raise RoundError("the stack was not started")
        self._stack = stack
        self._folder = folder
        self._patches = list(patches)
        # One TMPDIR for all: where a journal goes that has no room in its folder, and where sync looks.
        own = {"HOME": str(folder), "TMPDIR": str(folder)}
        self._environment = {**stack.laptop.environment, **QUIETLY, **own}
        certificate = stack.authority.issue("fault-proxy", "localhost", "127.0.0.1")
        self.proxy = FaultProxy(certificate, str(stack.emulator.ca_bundle), most=most_requests)
        self._children = Children(self._environment, folder / "nursery.log")
        self._stored = Stored(stack)
        self._lines: list[Lines] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as entered:
            entered.enter_context(self.proxy)
            entered.enter_context(self._children)
            self._open = entered.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, planned: Round) -> list[Outcome]:
        """Run one and return what became of each of its processes.

        Raises:
            TooManyRequestsError: the bound is passed.
        """
        experiment = f"chaos-{self._folder.name}-{planned.number}"
        folder = self._folder / f"round-{planned.number}"
        folder.mkdir()
        self._make(experiment)
        with ExitStack() as disks:
            processes = [
                self._process(trial, folder, place, disks) for place, trial in enumerate(planned.trials, 1)
            ]
            for process in processes:
                process.look(dead=False)
                self._children.bear(
                    process.birth({**self._environment, "MLFLOW_EXPERIMENT_NAME": experiment}, self._patches)
                )
            late = self._strike(planned, processes)
            self._let_go()
            sync = SyncCommand(self._children, self._environment, self._lines_of(0), folder)
            told = sync.send({process.spool for process in processes}, planned.sync)
            self._let_go()
        return self._judge(experiment, processes, late, told, sync.violations)

    def _process(self, trial: Trial, folder: Path, place: int, disks: ExitStack) -> TrainingProcess:
        own, disk, spool = folder / trial.name, None, folder / "spool"
        if trial.disk_bytes:
            disk = disks.enter_context(SmallDisk(own / "disk", trial.disk_bytes))
            spool = disk.folder / "spool"
        elif trial.spool_mb:
            spool = own / "spool"
        return TrainingProcess(trial, own, lines=self._lines_of(place), spool=spool, disk=disk)

    def _lines_of(self, place: int) -> Lines:
        """Return the two lines of a place, which every round uses again."""
        while len(self._lines) <= place:
            upstreams = {Service.API: self._stack.tracking_uri, Service.S3: self._stack.emulator.url}
            self._lines.append({service: self.proxy.line(url) for service, url in upstreams.items()})
        return self._lines[place]

    def _make(self, experiment: str) -> None:
        """Make it before anything goes wrong: everybody looks it up by its name."""
        self._children.bear(
            Birth(
                name=experiment,
                module="mlflow",
                arguments=["experiments", "create", "--experiment-name", experiment],
                environment=self._environment,
                folder=str(self._folder),
            )
        )
        if self._children.wait([experiment], COMMAND_SECONDS) or self._children.code(experiment) != 0:
            raise RoundError(f"no experiment {experiment}: {(self._folder / 'stderr').read_text()}")

    def _strike(self, planned: Round, processes: Sequence[TrainingProcess]) -> set[str]:
        """Let befall the processes what was planned, until all have ended; return those that had to be."""
        outage, restart_at = planned.outage, None
        deadline = time.monotonic() + ROUND_SECONDS
        while living := [p for p in processes if self._children.code(p.trial.name) is None]:
            if time.monotonic() > deadline:
                break
            for process in processes:
                process.look(dead=process not in living)
            if outage is not None and restart_at is None and processes[0].has_written(planned.begins):
                outage.kill(self._stack)
                restart_at = time.monotonic() + planned.down
            if outage is not None and restart_at is not None and time.monotonic() >= restart_at:
                outage.restart(self._stack)
                outage = None
            time.sleep(LOOK_SECONDS)
        if outage is not None:
            if restart_at is None:
                raise RoundError(f"round {planned.number}: all were over before: {outage.name}")
            outage.restart(self._stack)
        for process in processes:
            process.heal()
        late = {process.trial.name for process in living}
        for name in late:
            self._children.tell_where(name)
            self._children.end(name)
        return late

    def _let_go(self) -> None:
        if not self.proxy.await_quiet(QUIET_SECONDS):
            raise RoundError(f"requests are still under way after {QUIET_SECONDS:.0f} s")
        self.proxy.check()

    def _judge(
        self,
        experiment: str,
        processes: Sequence[TrainingProcess],
        late: set[str],
        told_lost: Mapping[str, int],
        violations: Sequence[str],
    ) -> list[Outcome]:
        stored = self._stored.runs(experiment)
        outcomes = [
            Verdict(
                process.trial,
                process.account(),
                [run for run in stored if run.name.startswith(process.trial.name)],
                code=None if process.trial.name in late else self._children.code(process.trial.name),
                last_words=process.last_words(),
                told_lost=told_lost,
            ).outcome()
            for process in processes
        ]
        outcomes[0].violations += violations
        names = tuple(process.trial.name for process in processes)
        outcomes[0].violations += [
            f"run {run.name} ({run.run_id}) is on the server, and nobody started it"
            for run in stored
            if not run.name.startswith(names)
        ]
        self._stored.forget(stored)
        return outcomes
