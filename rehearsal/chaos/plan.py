"""What is to happen, from a seed: rounds, their training processes, and what befalls each."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from rehearsal.chaos.faults import FAULTS, Fault
from rehearsal.chaos.outages import OUTAGES, Outage

PROCESSES, FEW = 8, 2
OUTAGE_EVERY, OUTAGE_FIRST = 6, 2  # rounds
# A ledger's length, about, when its script has finished.
LEDGER_BYTES = 25_000
TRAINING_SECONDS = 5.0
DISK_SECONDS = (1.0, 6.0)
DISK_BYTES = (16_384, 32_768, 65_536, 131_072)
SPOOL_MB = 1
CLOCK_STEPS = (-86400.0, -3600.0, -5.0, -0.05, 0.5, 60.0, 3600.0, 86400.0)
AWAY = next(fault for fault in FAULTS if fault.name == "API: 503, for long")
S3_AWAY = next(fault for fault in FAULTS if fault.name == "S3: 503 SlowDown")
NOTHING, CLOCK, DISK, DISK_AND_API, SPOOL = (
    "nothing", "clock stepped", "disk full", "disk full, API: 503", "spool full, S3: 503",
)  # fmt: skip
OF_THE_MACHINE = (NOTHING, CLOCK, DISK, DISK_AND_API, SPOOL)
WHOLE = {outage.name for outage in OUTAGES}
LABELS = (*(fault.name for fault in FAULTS), *OF_THE_MACHINE, *WHOLE)


class Death(StrEnum):
    """How a training process ends."""

    NONE = "ended by itself"
    SIGKILL = "SIGKILL"
    SIGTERM = "SIGTERM"
    SIGINT = "SIGINT"
    ERROR = "uncaught error"

    @property
    def signal(self) -> int:
        """What is sent to it, 0 nothing."""
        return int(signal.Signals[self.name]) if self.name.startswith("SIG") else 0


# Of a hundred processes.
OFTEN = {Death.NONE: 40, Death.SIGKILL: 25, Death.SIGTERM: 12, Death.SIGINT: 12, Death.ERROR: 11}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training process.

    Attributes:
        name: of the process and its first run.
        round: number of its round.
        label: what befalls it, as the table calls it.
        fault: on one of its lines, or None.
        begins: bytes of its ledger when the fault begins, 0 before its first request.
        lasts: seconds of the fault, or of the full disk.
        death: how it ends.
        death_after: bytes of its ledger when a signal comes.
        fails_at: the epoch in which it raises, or -1.
        clock_steps: as the nursery takes them.
        disk_bytes: size of the disk its spool is on, 0 the machine's.
        spool_mb: bound of its spool, 0 the package's own.
        large: whether it logs a file that goes up in parts.
        refused: how many parameters of it the server must refuse.
        fresh: whether it has an interpreter of its own.
    """

    name: str
    round: int
    seed: str
    label: str
    fault: Fault | None
    begins: int
    lasts: float
    death: Death
    death_after: int
    fails_at: int
    clock_steps: tuple[tuple[int, float], ...]
    disk_bytes: int
    spool_mb: int
    large: bool
    refused: int
    fresh: bool

    @property
    def may_lose(self) -> bool:
        """Whether values beyond the refused ones may be lost, if they are counted."""
        return bool(self.disk_bytes or self.spool_mb)


@dataclass(frozen=True, kw_only=True)
class Sync:
    """How what is left is sent.

    Attributes:
        fault: on its line to the API as it begins, or None.
        killed_after: seconds after which the first of two is killed, 0 not at all.
        twice: whether two run at once.
    """

    fault: Fault | None
    killed_after: float
    twice: bool


@dataclass(frozen=True, kw_only=True)
class Round:
    """Training processes that run at once.

    Attributes:
        outage: of the stack itself, or None.
        begins: bytes of the first ledger when the outage begins.
        down: seconds before what was killed starts anew.
    """

    number: int
    trials: tuple[Trial, ...]
    sync: Sync
    outage: Outage | None
    begins: int
    down: float


class Plan:
    """Rounds without end; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(seed)  # noqa: S311 - repeats, by a seed
        self._deck: list[str] = []
        self._outages = 0

    def rounds(self) -> Iterator[Round]:
        """Yield one after the other; each fault comes once before any comes again."""
        number = 0
        while True:
            number += 1
            outage = None
            if number % OUTAGE_EVERY == OUTAGE_FIRST:
                outage = OUTAGES[self._outages % len(OUTAGES)]
                self._outages += 1
            yield self.round(number, outage, [self._label(outage) for _ in range(PROCESSES)])

    def short(self) -> Iterator[Round]:
        """Yield few rounds in which each fault and each outage comes once."""
        yield self.round(1, None, [fault.name for fault in FAULTS] + list(OF_THE_MACHINE))
        for number, outage in enumerate(OUTAGES, 2):
            yield self.round(number, outage, [outage.name] * FEW)

    def round(self, number: int, outage: Outage | None, labels: list[str]) -> Round:
        """Plan a round: one process for each label, which may be the outage's."""
        trials = [self._trial(number, place, label) for place, label in enumerate(labels, 1)]
        random = self._random
        return Round(
            number=number,
            trials=tuple(trials),
            outage=outage,
            begins=random.randrange(LEDGER_BYTES // 2),
            down=random.uniform(0, 3),
            sync=Sync(
                fault=random.choice((None, None, random.choice(FAULTS[:3]))),
                killed_after=random.choice((0.0, 0.0, 0.0, random.uniform(0.1, 1.5))),
                twice=random.random() < 0.25,  # noqa: PLR2004 - one in four
            ),
        )

    def _label(self, outage: Outage | None) -> str:
        if outage is not None:
            return outage.name
        if not self._deck:
            self._deck = [fault.name for fault in FAULTS] + list(OF_THE_MACHINE)
            self._random.shuffle(self._deck)
        return self._deck.pop()

    def _trial(self, number: int, place: int, label: str) -> Trial:
        random, name = self._random, f"r{number:03}-p{place:02}"
        fault = {DISK_AND_API: AWAY, SPOOL: S3_AWAY}.get(
            label, next((fault for fault in FAULTS if fault.name == label), None)
        )
        (death,) = random.choices([*OFTEN], [*OFTEN.values()])
        if label in WHOLE and place == 1:
            death = Death.NONE  # the outage waits for what it has logged
        disk, spool = label in {DISK, DISK_AND_API}, label == SPOOL
        clock = label == CLOCK
        steps = sorted((random.randrange(LEDGER_BYTES), random.choice(CLOCK_STEPS)) for _ in range(3))
        return Trial(
            name=name,
            round=number,
            seed=f"{self._seed}-{name}",
            label=label,
            fault=fault,
            begins=random.choice((0, random.randrange(LEDGER_BYTES), random.randrange(LEDGER_BYTES))),
            lasts=random.uniform(*(fault.seconds if fault else DISK_SECONDS)),
            death=death,
            death_after=random.randrange(LEDGER_BYTES),
            fails_at=random.randrange(12) if death is Death.ERROR else -1,
            clock_steps=tuple(steps) if clock else (),
            disk_bytes=random.choice(DISK_BYTES) if disk else 0,
            spool_mb=SPOOL_MB if spool else 0,
            large=spool or (fault is not None and fault.service == "S3") or random.random() < 0.1,  # noqa: PLR2004
            refused=random.choice((0, 0, 0, 0, 1, 3)),
            fresh=random.random() < 0.05 and not clock and not disk,  # noqa: PLR2004 - costs seconds of a core
        )
