"""The copy of a live RDS instance: restored beside it, marked as the drill's own, deleted again."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from drill.names import TAG, DrillNames

BY_TAG = f"{TAG}-by"
POLL_SECONDS = 5
# RDS writes its log away every five minutes.
RESTORABLE_SECONDS = 1800
# A restore reads the whole storage once; hundreds of GiB take hours.
AVAILABLE_SECONDS = 6 * 3600
# While it is being made, RDS may refuse to delete it.
DELETE_SECONDS = 1800
TELL_SECONDS = 60
# RestoreTime must lie before LatestRestorableTime, which counts whole seconds.
ONE = timedelta(seconds=1)
LONGEST_NAME = 63
STAMP = "%Y%m%d%H%M%S"
STAMP_LENGTH = 14
NO_LONGER_THERE = "DBInstanceNotFound"
NOT_NOW = "InvalidDBInstanceState"


class RefusedError(RuntimeError):
    """Something was to be changed or deleted that no drill has made; nothing happened to it."""


class DrillError(RuntimeError):
    """A step of the drill did not come to its end; the message says which and why."""


class RestoredInstance:
    """Makes, finds and deletes copies of one live instance; the live one is described, and never changed."""

    def __init__(self, rds: Any, names: DrillNames, say: Callable[[str], None]) -> None:
        self._rds = rds
        self._live = names.instance
        self._say = say

    def live(self) -> dict[str, Any]:
        """Describe the live instance.

        Raises:
            ClientError: as botocore's, also when there is none.
        """
        return dict(self._rds.describe_db_instances(DBInstanceIdentifier=self._live)["DBInstances"][0])

    def leftovers(self) -> list[dict[str, Any]]:
        """Describe every copy that drills have made of this instance, and that is not being deleted."""
        pages = self._rds.get_paginator("describe_db_instances").paginate()
        return [
            instance
            for page in pages
            for instance in page["DBInstances"]
            if tags(instance).get(TAG) == self._live and instance["DBInstanceStatus"] != "deleting"
        ]

    def wait_restorable(self, at: datetime) -> datetime:
        """Wait until the live instance can be restored to a time after `at`, and return that time.

        Raises:
            DrillError: it does not become so.
        """
        deadline = time.monotonic() + RESTORABLE_SECONDS
        told = None
        while (latest := self.live()["LatestRestorableTime"]) - ONE < at:
            if time.monotonic() > deadline:
                raise DrillError(f"backups stand still at {latest:%H:%M:%S} UTC: see the instance's events")
            if latest != told:
                self._say(f"backups reach {latest:%H:%M:%S} UTC; waiting for {at:%H:%M:%S}")
                told = latest
            time.sleep(POLL_SECONDS)
        return latest - ONE

    def restore(self, to: datetime, by: str) -> str:
        """Begin to restore the live instance to a time, as a new one like it; return the new one's name."""
        live = self.live()
        name = f"{copies_of(self._live)}{datetime.now(UTC):{STAMP}}"
        self._rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=self._live,
            TargetDBInstanceIdentifier=name,
            RestoreTime=to,
            DBInstanceClass=live["DBInstanceClass"],
            DBSubnetGroupName=live["DBSubnetGroup"]["DBSubnetGroupName"],
            VpcSecurityGroupIds=[group["VpcSecurityGroupId"] for group in live["VpcSecurityGroups"]],
            DBParameterGroupName=live["DBParameterGroups"][0]["DBParameterGroupName"],
            EnableIAMDatabaseAuthentication=True,
            PubliclyAccessible=False,
            DeletionProtection=False,
            MultiAZ=False,
            AutoMinorVersionUpgrade=False,
            CopyTagsToSnapshot=False,
            BackupRetentionPeriod=0,
            Tags=[{"Key": TAG, "Value": self._live}, {"Key": BY_TAG, "Value": by}],
        )
        return name

    def wait_available(self, name: str) -> dict[str, Any]:
        """Wait until a copy answers, and describe it.

        Raises:
            DrillError: it does not come.
        """
        begun, told_at, told = time.monotonic(), 0.0, ""
        while True:
            instance = self._described(name)
            status = str(instance["DBInstanceStatus"])
            if status == "available":
                return instance
            passed = time.monotonic() - begun
            if passed > AVAILABLE_SECONDS or status.startswith(("failed", "incompatible", "deleting")):
                raise DrillError(f"{name} is {status} after {passed:.0f} s: see its events in RDS")
            if status != told or passed - told_at > TELL_SECONDS:
                self._say(f"{name} is {status} ({passed:.0f} s)")
                told, told_at = status, passed
            time.sleep(POLL_SECONDS)

    def delete(self, name: str) -> None:
        """Begin to delete a copy, without a last snapshot; one that is gone already is well.

        Raises:
            RefusedError: it is the live instance, or does not bear the drill's tag.
            DrillError: RDS will not.
        """
        deadline = time.monotonic() + DELETE_SECONDS
        while True:
            try:
                instance = self._described(name)
                self._refuse_foreign(instance)
                if instance["DBInstanceStatus"] == "deleting":
                    return
                self._rds.delete_db_instance(
                    DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == NO_LONGER_THERE:
                    return
                if code != NOT_NOW or time.monotonic() > deadline:
                    raise DrillError(f"{name} could not be deleted: {error}") from None
                self._say(f"RDS does not delete {name} yet; trying again")
                time.sleep(POLL_SECONDS)
            else:
                return

    def _described(self, name: str) -> dict[str, Any]:
        return dict(self._rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])

    def _refuse_foreign(self, instance: dict[str, Any]) -> None:
        name, found = instance["DBInstanceIdentifier"], tags(instance).get(TAG)
        if name == self._live:
            raise RefusedError(f"{name} is the live database, and no drill deletes that; nothing was deleted")
        if found != self._live:
            raise RefusedError(
                f"{name} bears {found!r} as its tag {TAG}, and a drill deletes only what bears "
                f"{self._live!r}; nothing was deleted"
            )


def copies_of(live: str) -> str:
    """Return what the names of a live instance's copies begin with; the time of the restore follows."""
    mark = "-drill-"
    return f"{live[: LONGEST_NAME - len(mark) - STAMP_LENGTH].rstrip('-')}{mark}"


def tags(instance: dict[str, Any]) -> dict[str, str]:
    """Return an instance's tags by key."""
    return {tag["Key"]: tag["Value"] for tag in instance.get("TagList", [])}
