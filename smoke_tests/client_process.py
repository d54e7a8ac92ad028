"""Starts `second_client.py` and gives it orders."""

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

PROGRAM = Path(__file__).with_name("second_client.py")
ANSWER_SECONDS = 120.0
ERROR_CHARACTERS = 2000


class ClientProcess:
    """A second client; it ends with its standard input, whatever becomes of us."""

    def __init__(self) -> None:
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._popen = subprocess.Popen(
            [sys.executable, PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            process_group=0,  # Ctrl-C reaches us alone, and we stop it
        )

    def tell(self, order: str, **arguments: Any) -> None:
        """Give an order without waiting for its answer."""
        assert self._popen.stdin
        with contextlib.suppress(BrokenPipeError):  # answer() says why
            self._popen.stdin.write(json.dumps([order, arguments]) + "\n")
            self._popen.stdin.flush()

    def answer(self) -> Any:
        """Return the answer to the order given last.

        Raises:
            AssertionError: the process died or did not answer in time; carries the end of its stderr.
        """
        assert self._popen.stdout
        readable, _, _ = select.select([self._popen.stdout], [], [], ANSWER_SECONDS)
        line = self._popen.stdout.readline() if readable else ""
        if not line:
            self._errors.seek(0)
            end = self._errors.read()[-ERROR_CHARACTERS:]
            raise AssertionError(f"the second client gave no answer within {ANSWER_SECONDS:.0f} s:\n{end}")
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        self._popen.kill()
        self._popen.communicate()
        self._errors.close()
