"""What is wrong with a stack's settings, in words that end with the command that mends it."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pulumi

WRONG_SETTINGS = 2  # exit code


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One wrong setting.

    Attributes:
        key: the config key, with the path inside it.
        received: what the stack says, or `nothing`.
        allowed: what it may say, and why.
        command: what mends it.
    """

    key: str
    received: str
    allowed: str
    command: str

    def __str__(self) -> str:
        return f"{self.key}: received {self.received}; allowed: {self.allowed}\n    {self.command}"


class WrongSettingsError(Exception):
    """Every fault of a stack's settings at once."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


@contextlib.contextmanager
def ending_with_faults() -> Iterator[None]:
    """Where settings turn out wrong inside, print every fault and end the program with code 2."""
    try:
        yield
    except WrongSettingsError as error:
        print(
            f"Wrong settings of stack {pulumi.get_stack()} ({len(error.faults)}):\n{error}", file=sys.stderr
        )
        sys.exit(WRONG_SETTINGS)
