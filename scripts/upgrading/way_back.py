"""The way back from each step of an upgrade, as a person would go it."""

from collections.abc import Mapping

from upgrading.names import UpgradeNames
from upgrading.snapshot import STOPPED_TAG, TASKS_TAG

NOTHING_CHANGED = "nothing that serves was changed; git checkout <what ran before> && pulumi up"
SERVERS_STOPPED = (
    "scripts/upgrade.py --back with the same options starts the servers as they were, unless the tables are "
    "migrated"
)


def restore(names: UpgradeNames, journal: Mapping[str, str]) -> str:
    """Say how the database of before comes back; what was logged after the pause is not in it.

    Args:
        names: of the stack.
        journal: tags of the upgrade's snapshot; empty while there is none.
    """
    stopped, tasks = journal.get(STOPPED_TAG, "<end of the last task>"), journal.get(TASKS_TAG, "<as before>")
    return (
        f"docs/decisions/upgrade.md, The way back: restore {names.database} to {stopped} (nothing that was "
        f"acknowledged before is missing then), git checkout <what ran before>, and {tasks} tasks"
    )
