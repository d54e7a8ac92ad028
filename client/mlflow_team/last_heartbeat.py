"""When a run was last heard of, and whether that is long ago for it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import tags
from .spool.heartbeat import MISSED

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True, kw_only=True)
class LastHeartbeat:
    """What the tag says.

    Attributes:
        at: seconds since 1970 by the server's clock.
        every: seconds between two.
    """

    at: float
    every: float

    @classmethod
    def of(cls, run: "Run") -> "LastHeartbeat | None":
        """Read it from a run; one that cannot be read is none."""
        try:
            at, every, *_ = map(float, run.data.tags.get(tags.HEARTBEAT, "").split()[:2])
        except ValueError:
            return None
        return cls(at=at, every=every)

    def fresh(self, now: float) -> bool:
        """Tell whether the process may well live, at this time of the server's clock."""
        return now - self.at <= MISSED * self.every
