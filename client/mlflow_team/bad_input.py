"""What a person typed or wrote that cannot be taken: all of it at once, exit code 2."""

from collections.abc import Sequence


class BadInputError(ValueError):
    """Every fault found, each a sentence that ends in what mends it.

    Attributes:
        faults: the sentences, at least one.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)
