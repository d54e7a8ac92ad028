"""Whose a journal is, how far it has been sent, and what of it is lost."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

# Written in place, so that a full disk cannot keep us from counting what is lost.
BYTES = 4096
REASONS, REASON_CHARACTERS = 6, 100
OTHER = "other reasons"


@dataclass(frozen=True, kw_only=True)
class Header:
    """Whose journal it is.

    Attributes:
        run_id: the server's id, or a local one.
        owner: whether the process started the run, so that its death is the run's end.
        begun: UTC, seconds since 1970.
    """

    tracking_uri: str
    workspace: str | None
    run_id: str
    owner: bool
    pid: int
    host: str
    begun: float
    local_id: str = ""
    experiment_id: str = ""
    artifacts: bool = False


@dataclass(kw_only=True)
class State:
    """How far it has been sent, and the account; all counts are of values.

    Attributes:
        at_risk: in memory alone, since the disk is full: lost if the process dies.
        ended: how the run ended, once its end is in the journal.
        end_at_risk: that end is in memory alone.
        real: the server's ids for the header's local ones: written in place, where a full disk has no room
            for the list of all.
        marked: the run's tag says that something is still here.
        why: values lost, by reason.
        told: of these, in the same order, what the run's tag says.
    """

    segment: int = 1
    offset: int = 0
    sent: int = 0
    lost: int = 0
    at_risk: int = 0
    ended: str = ""
    end_at_risk: bool = False
    real: dict[str, str] = field(default_factory=dict)
    marked: bool = False
    why: dict[str, int] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)

    @property
    def untold(self) -> dict[str, int]:
        """Return what is lost and not in the run's tag, by reason."""
        told = dict(zip(self.why, self.told, strict=False))
        return {why: count - told.get(why, 0) for why, count in self.why.items() if count > told.get(why, 0)}

    def lose(self, count: int, reason: str) -> None:
        """Count what will never be on the server."""
        reason = " ".join(reason.split())[:REASON_CHARACTERS]
        if reason not in self.why and len(self.why) >= REASONS:
            reason = OTHER
        self.lost += count
        self.why[reason] = self.why.get(reason, 0) + count


class StateFile:
    """Where a state lies on the disk; a person can read it."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: it cannot be written.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> State:
        """Return what was written last.

        Raises:
            TypeError, ValueError: nothing was, or it is damaged.
        """
        return State(**json.loads(os.pread(self._file, BYTES, 0)))

    def write(self, state: State) -> None:
        """Write it over what was there."""
        if self._file >= 0:
            text = json.dumps(asdict(state), ensure_ascii=False).encode(errors="replace")
            os.pwrite(self._file, text.ljust(BYTES), 0)

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)
        self._file = -1
