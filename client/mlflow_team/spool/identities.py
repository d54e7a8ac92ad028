"""What became of the ids that were given while the server was away, for this machine's processes.

One file for all of them: a child process, or the next one, may name a parent run by its local id.
"""

import contextlib
import json
import os
import re
import uuid
from pathlib import Path

FILE = "ids.jsonl"
# A logged model's begins as all of its kind do: MLflow tells ids from names by that.
MODEL = "m-"
LOCAL = re.compile(rf"(?:{MODEL})?local-[0-9a-f]{{32}}")


def new(kind: str = "") -> str:
    """Return a local id."""
    return f"{kind}local-{uuid.uuid4().hex}"


class Identities:
    """Local ids with the server's, and the names of experiments that have a local id."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._read = 0
        self._real: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def real(self, identity: str) -> str | None:
        """Return the server's id for a local one, None while there is none."""
        if identity not in self._real:
            self._catch_up()
        return self._real.get(identity)

    def resolve(self, text: str) -> str:
        """Return a text with each known local id replaced."""
        return LOCAL.sub(lambda found: self.real(found[0]) or found[0], text) if "local-" in text else text

    def learn(self, local: str, real: str) -> None:
        """Remember what a local id became."""
        self._real[local] = real
        self._append({"local": local, "real": real})

    def name(self, local: str) -> str | None:
        """Return the name of an experiment that has a local id."""
        if local not in self._names:
            self._catch_up()
        return self._names.get(local)

    def experiment(self, name: str) -> str:
        """Return the local id of an experiment."""
        self._catch_up()
        for local, known in self._names.items():
            if known == name and local not in self._real:
                return local
        local = new()
        self._names[local] = name
        self._append({"local": local, "experiment": name})
        return local

    def _append(self, line: dict[str, str]) -> None:
        # A full disk costs other processes the knowledge, not this one.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, json.dumps(line).encode() + b"\n")
            finally:
                os.close(file)

    def _catch_up(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except OSError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                known = json.loads(line)
                if "real" in known:
                    self._real.setdefault(known["local"], known["real"])
                else:
                    self._names.setdefault(known["local"], known["experiment"])
