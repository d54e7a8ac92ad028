"""A team member's laptop: runs the onboarding script and the smoke tests as a person would."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rehearsal.plain_containers import interpreter_path
from rehearsal.processes import Process, tied

ROOT = Path(__file__).parent.parent
CLIENT_SECONDS = 180.0
UI_SECONDS = 60.0
UI_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+")
# What the onboarding script tells a person to type next leads nowhere once the rehearsal has ended.
HINTS = ("next: ", "take it back: ", "see it: ", "train: ")


class ClientError(RuntimeError):
    """A command that a client runs failed."""


class Laptop:
    """Knows AWS by its own files, and nothing of the stack but its outputs.

    Attributes:
        environment: what its shell exports; after onboarding, the team's too.
        smoke: outcome counts of the smoke tests.
    """

    def __init__(self, aws_files: Mapping[str, str], work: Path, say: Callable[[str], None]) -> None:
        self._work = work
        self._say = say
        self.environment = {
            "PATH": interpreter_path(ROOT / ".venv"),
            "HOME": str(work),
            **aws_files,
        }
        self.smoke = {"passed": 0, "failed": 0, "skipped": 0}

    def join(
        self, outputs: Mapping[str, Any], *, team: str, person: str, tracking_uri: str, ca_bundle: Path
    ) -> None:
        """Run the onboarding script and take its environment file over.

        Raises:
            ClientError: the script said no.
        """
        outputs_file = self._work / "outputs.json"
        outputs_file.write_text(json.dumps(outputs))
        team_environment = self._work / "team.env"
        self._run(
            [
                "scripts/onboard.py", "--team", team, "--outputs", str(outputs_file),
                "--source-profile", person, "--tracking-uri", tracking_uri,
                "--ca-bundle", str(ca_bundle), "--env-file", str(team_environment),
            ],
            {},
        )  # fmt: skip
        lines = team_environment.read_text().splitlines()
        self.environment |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def run_smoke_tests(self, *, other_team: str) -> None:
        """Run `smoke_tests/` with the team's environment.

        Raises:
            ClientError: one of them did not pass.
        """
        results = self._work / "smoke.xml"
        try:
            self._run(
                [
                    "-m",
                    "pytest",
                    "smoke_tests",
                    "-v",
                    "--no-header",
                    "-p",
                    "no:cacheprovider",
                    "--junitxml",
                    str(results),
                ],
                {"SMOKE_OTHER_TEAM": other_team},
            )
        finally:
            if results.exists():
                self.smoke = _outcomes(results)
        if self.smoke["skipped"]:
            raise ClientError(f"{self.smoke['skipped']} smoke tests were skipped")

    @contextlib.contextmanager
    def ui(self, logs: Path) -> Iterator[str]:
        """Run `mlflow-team ui`, which logs a browser in, and yield the address that it prints.

        Raises:
            NotReadyError: it printed none.
        """
        command = [sys.executable, "-m", "mlflow_team", "ui", "--no-browser"]
        with Process("mlflow-team ui", command, environment=self.environment, log=logs / "ui.log") as process:

            def reason() -> str | None:
                return None if UI_ADDRESS.search(process.log.read_text()) else "it printed no address"

            process.wait_ready(reason, seconds=UI_SECONDS)
            (address,) = UI_ADDRESS.findall(process.log.read_text())
            yield address

    def _run(self, arguments: list[str], more: Mapping[str, str]) -> None:
        """Run Python as a person would, its output line by line under the step."""
        with subprocess.Popen(
            tied(sys.executable, *arguments),
            cwd=ROOT,
            env={**self.environment, **more, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as child:

            def end() -> None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)

            # Its silence must not last for ever either, so reading has a deadline too.
            deadline = threading.Timer(CLIENT_SECONDS, end)
            deadline.daemon = True
            deadline.start()
            try:
                for line in child.stdout or ():
                    if line.strip() and not line.startswith(HINTS):
                        self._say(line.rstrip())
                code = child.wait()
            finally:
                deadline.cancel()
                end()
        if code == -signal.SIGKILL:
            raise ClientError(f"{' '.join(arguments[:3])} did not end within {CLIENT_SECONDS:.0f} s")
        if code != 0:
            raise ClientError(f"{' '.join(arguments[:3])} ended with exit code {code}")


def _outcomes(results: Path) -> dict[str, int]:
    suites = list(ET.parse(results).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it just now

    def total(name: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites)

    failed = total("failures") + total("errors")
    return {
        "passed": total("tests") - failed - total("skipped"),
        "failed": failed,
        "skipped": total("skipped"),
    }
