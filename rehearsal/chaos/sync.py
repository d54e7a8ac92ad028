"""What a person runs after a bad night: `mlflow-team sync`, which has a bad time of its own."""

import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rehearsal.chaos.children import Children
from rehearsal.chaos.nursery import Birth
from rehearsal.chaos.plan import Sync
from rehearsal.chaos.training_process import Lines, through

MODULE, ARGUMENTS = "mlflow_team", ["sync", "--json"]
COMMAND_SECONDS = 120.0
FAULT_SECONDS = 2.0
ALL_SENT, LEFT_OR_LOST = 0, 1
LAST_WORDS = 300
UNDISTURBED = Sync(fault=None, killed_after=0.0, twice=False)


class SyncCommand:
    """Runs the command until nothing is left.

    Attributes:
        violations: sentences on what it promised and did not do.
    """

    def __init__(
        self, children: Children, environment: Mapping[str, str], lines: Lines, folder: Path
    ) -> None:
        self._children = children
        self._environment = environment
        self._lines = lines
        self._folder = folder
        self._number = 0
        self.violations: list[str] = []

    def send(self, spools: Collection[Path], planned: Sync) -> dict[str, int]:
        """Send what lies in these folders; return what was lost, by the id that the script knew."""
        lost: dict[str, int] = {}
        for spool in sorted(spools):
            if planned.killed_after:
                name, _ = self._begin(spool)
                time.sleep(planned.killed_after)
                self._children.end(name)
            if planned.fault is not None:
                self._lines[planned.fault.service].break_with(planned.fault, str(spool))
            together = [self._begin(spool) for _ in range(2 if planned.twice else 1)]
            if planned.fault is not None:
                time.sleep(FAULT_SECONDS)
                self._lines[planned.fault.service].heal()
            rows = [
                row for command in together for row in self._await(*command, disturbed=planned != UNDISTURBED)
            ]
            if planned != UNDISTURBED:
                # The last word is had by one that nothing disturbs.
                rows += self._await(*self._begin(spool), disturbed=False)
            for row in rows:
                for known_as in filter(None, (row["run_id"], row["local_id"])):
                    lost[known_as] = max(lost.get(known_as, 0), row["lost"])
        return lost

    def _begin(self, spool: Path) -> tuple[str, Path]:
        self._number += 1
        name = f"{self._folder.name}-sync-{self._number}"
        folder = self._folder / f"sync-{self._number}"
        folder.mkdir()
        self._children.bear(
            Birth(
                name=name,
                module=MODULE,
                arguments=ARGUMENTS,
                environment={**self._environment, **through(self._lines, spool)},
                folder=str(folder),
            )
        )
        return name, folder

    def _await(self, name: str, folder: Path, *, disturbed: bool = True) -> list[dict[str, Any]]:
        """Wait for its end and return what it printed."""
        if self._children.wait([name], COMMAND_SECONDS):
            self._children.end(name)
            self.violations.append(f"{name} did not end within {COMMAND_SECONDS:.0f} s")
            return []
        code = self._children.code(name)
        try:
            rows = json.loads((folder / "stdout").read_text())
        except ValueError:
            said = (folder / "stderr").read_text(errors="replace")[-LAST_WORDS:]
            self.violations.append(f"{name} ended with exit code {code} and no JSON: {said.strip()}")
            return []
        left = [row for row in rows if row["spooled"] or row["waits_for"]]
        should = LEFT_OR_LOST if left or any(row["lost"] for row in rows) else ALL_SENT
        if code != should:
            self.violations.append(f"{name} ended with exit code {code}, not {should}: {rows}")
        if left and not disturbed:
            self.violations.append(f"{name} left something although nothing was wrong: {left}")
        return list(rows)
