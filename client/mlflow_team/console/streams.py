"""Hears what the process writes to `sys.stdout` and `sys.stderr`, which stay what they are in all else."""

import sys
import threading
from collections.abc import Callable
from typing import Any

NAMES = ("stdout", "stderr")


class Listening:
    """Replaces the `write` of the streams, not the streams: what logging keeps of one is heard too."""

    def __init__(self, heard: Callable[[str, str], None]) -> None:
        """Hear nothing yet.

        Args:
            heard: is called with the stream's name and the text, before it is written.
        """
        self._heard = heard
        self._inside = threading.local()  # a stream that writes to another one is heard once
        self._joined: list[tuple[Any, Callable[..., int], Callable[..., int] | None]] = []

    def join(self) -> None:
        """Listen to the streams as they are now: some tools put back the `write` that they found."""
        for name in NAMES:
            stream = getattr(sys, name)
            if stream is None:
                continue
            before = vars(stream).get("write")  # somebody else's, who did as we do, or ours
            if before is None or all(ours is not before for _, ours, _ in self._joined):
                ours = self._listening(name, stream.write)
                stream.write = ours
                self._joined = [each for each in self._joined if each[0] is not stream]
                self._joined.append((stream, ours, before))

    def leave(self) -> None:
        """Listen no more."""
        while self._joined:
            stream, ours, before = self._joined.pop()
            if stream.write is not ours:
                continue
            if before is None:
                del stream.write
            else:
                stream.write = before

    def _listening(self, name: str, write: Callable[..., int]) -> Callable[..., int]:
        def ours(text: str, /) -> int:
            if getattr(self._inside, "now", False):
                return write(text)
            self._inside.now = True
            try:
                if isinstance(text, str) and text:
                    self._heard(name, text)
                return write(text)
            finally:
                self._inside.now = False

        return ours
