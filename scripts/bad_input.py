"""Wrong input is told once: every fault in one message."""


class BadInputError(ValueError):
    """Nothing was done, because of the faults listed.

    Attributes:
        faults: one sentence each: what was received, what is allowed, what mends it.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults
