"""The snapshot that an upgrade makes; its tags are the upgrade's journal."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from upgrading.error import UpgradeError

# Its value is the image that the stack is upgraded to.
TAG = "mlflow-tracking:upgrade"
TASKS_TAG = f"{TAG}-tasks"  # that the service had
PAUSE_TAG = f"{TAG}-pause"  # when it began; empty once it has ended
STOPPED_TAG = f"{TAG}-stopped"  # when nothing wrote any more
MARK = "-upgrade-"
LONGEST_NAME = 63  # as for instances; RDS takes 255
# What an upgrade that was interrupted before the pause has made serves the next one.
FRESH = timedelta(hours=1)
# It copies what changed since the last one; the first copies all.
SNAPSHOT_SECONDS = 2 * 3600
POLL_SECONDS = 5
TELL_SECONDS = 30


class UpgradeSnapshot:
    """Makes and finds the newest snapshot that an upgrade of one database has made; deletes none."""

    def __init__(self, rds: Any, database: str, say: Callable[[str], None]) -> None:
        self._rds = rds
        self._database = database
        self._say = say

    def newest(self) -> dict[str, Any] | None:
        """Describe the newest one, or None."""
        pages = self._rds.get_paginator("describe_db_snapshots").paginate(
            DBInstanceIdentifier=self._database, SnapshotType="manual"
        )
        made = [one for page in pages for one in page["DBSnapshots"] if TAG in tags(one)]
        # One that is being made has no time yet.
        return max(made, key=lambda one: one.get("SnapshotCreateTime", datetime.now(UTC)), default=None)

    def make(self, image: str, tasks: int) -> None:
        """Make one, unless there is a fresh one for the same image, and wait until it is there.

        Raises:
            UpgradeError: it does not come.
        """
        now = datetime.now(UTC)
        found = self.newest()
        if found is None or tags(found)[TAG] != image or now - found.get("SnapshotCreateTime", now) > FRESH:
            stamp = f"{MARK}{now:%Y%m%d%H%M%S}"
            found = self._rds.create_db_snapshot(
                DBInstanceIdentifier=self._database,
                DBSnapshotIdentifier=f"{self._database[: LONGEST_NAME - len(stamp)].rstrip('-')}{stamp}",
                Tags=[{"Key": TAG, "Value": image}],
            )["DBSnapshot"]
        self._wait(found["DBSnapshotIdentifier"])
        self._say(f"snapshot {found['DBSnapshotIdentifier']}")
        self.note(TASKS_TAG, str(tasks))

    def note(self, key: str, value: str) -> None:
        """Write a line of the journal.

        Raises:
            UpgradeError: somebody has deleted the snapshot.
        """
        found = self.newest()
        if found is None:
            raise UpgradeError(f"the snapshot of {self._database} that the upgrade made is gone")
        self._rds.add_tags_to_resource(
            ResourceName=found["DBSnapshotArn"], Tags=[{"Key": key, "Value": value}]
        )

    def noted(self) -> dict[str, str]:
        """Return the journal: tags by key; empty before there is a snapshot."""
        return tags(self.newest() or {})

    def _wait(self, name: str) -> None:
        begun, told_at = time.monotonic(), 0.0
        while True:
            (found,) = self._rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
            passed = time.monotonic() - begun
            if found["Status"] == "available":
                return
            if found["Status"] not in {"creating", "pending"} or passed > SNAPSHOT_SECONDS:
                raise UpgradeError(f"snapshot {name} is {found['Status']} after {passed:.0f} s")
            if passed - told_at > TELL_SECONDS:
                self._say(f"snapshot {name}: {found.get('PercentProgress', 0)} % ({passed:.0f} s)")
                told_at = passed
            time.sleep(POLL_SECONDS)


def tags(snapshot: dict[str, Any]) -> dict[str, str]:
    """Return a snapshot's tags by key."""
    return {tag["Key"]: tag["Value"] for tag in snapshot.get("TagList", [])}
