"""One training process of a round, with its two lines, its disk, and what befalls them when."""

import time
from collections.abc import Mapping
from pathlib import Path

from rehearsal.chaos.faults import Service
from rehearsal.chaos.ledger import Account
from rehearsal.chaos.nursery import Birth, size_of
from rehearsal.chaos.plan import TRAINING_SECONDS, Trial
from rehearsal.chaos.proxy import Line
from rehearsal.chaos.small_disk import SmallDisk

MODULE = "rehearsal.chaos.training"
LAST_WORDS = 12000  # the stacks of all threads, where it did not end
Lines = Mapping[Service, Line]


def through(lines: Lines, spool: Path) -> dict[str, str]:
    """Return the environment of a client that reaches server and S3 by these lines."""
    return {
        "MLFLOW_TRACKING_URI": f"https://localhost:{lines[Service.API].port}",
        "AWS_ENDPOINT_URL_S3": f"https://127.0.0.1:{lines[Service.S3].port}",
        "MLFLOW_TEAM_SPOOL_DIR": str(spool),
    }


class TrainingProcess:
    """Strikes when the ledger is as long as planned, whatever the machine's speed, and heals in time.

    Attributes:
        trial: what was planned.
        spool: the folder of its journals.
        over: whether its fault has come and gone, or comes no more.
    """

    def __init__(
        self, trial: Trial, folder: Path, *, lines: Lines, spool: Path, disk: SmallDisk | None
    ) -> None:
        self.trial = trial
        self.spool = spool
        self.over = trial.fault is None and disk is None
        self._folder = folder
        self._ledger = folder / "ledger"
        self._lines = lines
        self._disk = disk
        self._heals_at: float | None = None
        folder.mkdir(exist_ok=True)

    def birth(self, environment: Mapping[str, str], patches: list[str]) -> Birth:
        """Return how it begins; `environment` names the team, its login and the experiment."""
        trial = self.trial
        return Birth(
            name=trial.name,
            module=MODULE,
            environment={
                **environment,
                **through(self._lines, self.spool),
                **({"MLFLOW_TEAM_SPOOL_MB": str(trial.spool_mb)} if trial.spool_mb else {}),
                "CHAOS_NAME": trial.name,
                "CHAOS_SEED": trial.seed,
                "CHAOS_LEDGER": str(self._ledger),
                "CHAOS_SECONDS": str(TRAINING_SECONDS),
                "CHAOS_FAILS_AT": str(trial.fails_at),
                "CHAOS_LARGE": str(int(trial.large)),
                "CHAOS_REFUSED": str(trial.refused),
            },
            folder=str(self._folder),
            ledger=str(self._ledger),
            signal=trial.death.signal,
            signal_after=trial.death_after,
            clock_steps=list(trial.clock_steps),
            file_bytes=self._disk.file_bytes if self._disk else 0,
            patches=patches,
            fresh=trial.fresh,
        )

    def has_written(self, size: int) -> bool:
        """Tell whether its ledger has so many bytes."""
        return size_of(str(self._ledger)) >= size

    def look(self, *, dead: bool) -> None:
        """Strike or heal, if it is time; a dead process's lines are whole again."""
        if self.over:
            return
        if dead or (self._heals_at is not None and time.monotonic() >= self._heals_at):
            self.heal()
        elif self._heals_at is None and self.has_written(self.trial.begins):
            self._heals_at = time.monotonic() + self.trial.lasts
            if self.trial.fault is not None:
                self._lines[self.trial.fault.service].break_with(self.trial.fault, self.trial.seed)
            if self._disk is not None:
                self._disk.fill()

    def heal(self) -> None:
        """End what befell it."""
        self.over = True
        for line in self._lines.values():
            line.heal()
        if self._disk is not None:
            self._disk.clear()

    def account(self) -> Account:
        """Return what it said that it logged."""
        return Account.read(self._ledger)

    def last_words(self) -> str:
        """Return the end of its stderr."""
        file = self._folder / "stderr"
        return file.read_text(errors="replace")[-LAST_WORDS:].strip() if file.exists() else ""
