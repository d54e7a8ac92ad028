"""What is wrong with a stack's settings, in words that end with the command that mends it."""

from dataclasses import dataclass


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
