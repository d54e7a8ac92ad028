"""Runs `mlflow-team ui` as a person does who wants to look at the UI."""

import re
import subprocess
import sys
import tempfile
import time
from typing import IO

ADDRESS = re.compile(r"^(http://127\.0\.0\.1:\d+/\S*)#\S*$", re.MULTILINE)
START_SECONDS = 60.0
POLL_SECONDS = 0.1


class UiProxy:
    """The proxy that logs a browser in; it ends with `stop`.

    Attributes:
        address: where it shows the UI, without what a browser keeps to itself.
    """

    def __init__(self) -> None:
        self._printed: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "mlflow_team", "ui", "--no-browser"],
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,  # Ctrl-C reaches us alone, and we stop it
        )
        try:
            self.address = self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while not (found := ADDRESS.search(self._said())):
            assert self._popen.poll() is None, f"mlflow-team ui ended:\n{self._said()}"
            assert time.monotonic() < deadline, f"no address within {START_SECONDS:.0f} s:\n{self._said()}"
            time.sleep(POLL_SECONDS)
        return found[1].rstrip("/")

    def _said(self) -> str:
        self._printed.seek(0)
        return self._printed.read()

    def stop(self) -> None:
        """End the process."""
        self._popen.terminate()
        self._popen.wait()
        self._printed.close()
