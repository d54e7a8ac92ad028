"""What a rehearsal found: a short table for people, `.rehearsal/report.json` for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rehearsal.aws.comparison import EXCEPTIONS
from rehearsal.steps import Step


@dataclass(kw_only=True)
class Report:
    """The outcome of one rehearsal.

    Attributes:
        smoke: number of smoke tests `passed`, `failed` and `skipped`.
        resources: number of created resources by type token.
        not_rehearsed: what this machine could not show, one sentence each.
    """

    steps: Sequence[Step] = ()
    smoke: Mapping[str, int] = field(default_factory=lambda: {"passed": 0, "failed": 0, "skipped": 0})
    resources: Mapping[str, int] = field(default_factory=dict)
    not_rehearsed: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        partial.replace(path)

    def table(self) -> str:
        """Return the steps and their times, then the counts."""
        width = max((len(step.name) for step in self.steps), default=0)
        lines = [
            f"  {step.name:<{width}}  {step.seconds:6.1f} s  {'ok' if step.ok else 'FAILED'}"
            for step in self.steps
        ]
        total = sum(step.seconds for step in self.steps)
        lines.append(f"  {'total':<{width}}  {total:6.1f} s")
        smoke = ", ".join(f"{count} {outcome}" for outcome, count in self.smoke.items())
        lines.append(f"  {sum(self.resources.values())} resources of {len(self.resources)} types created;"
                     f" smoke tests: {smoke}")  # fmt: skip
        return "\n".join(lines)


def not_compared(met: set[tuple[str, str]]) -> list[str]:
    """Name the declared properties that were excepted from the comparison, a line for each reason."""
    names: dict[str, list[str]] = {}
    for kind, declared in sorted(met):
        names.setdefault(EXCEPTIONS[kind, declared], []).append(f"{kind.rsplit(':', 1)[1]}.{declared}")
    return [f"not compared with what was created: {', '.join(names[why])}: {why}" for why in names]
