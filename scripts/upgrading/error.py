"""A step of an upgrade that did not come to its end."""


class UpgradeError(RuntimeError):
    """The message says which step and why."""
