"""What stands in the way of an upgrade; what it does is rehearsed in rehearsal/tests/."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from scripts.tests.stubbed import KEYS
from scripts.tests.upgrading.names import NAMES
from upgrading.snapshot import PAUSE_TAG, TAG
from upgrading.stack import Upgrade

SERVICES = ("application-autoscaling", "ecs", "logs", "rds")


class Session:
    """Hands out clients whose answers are prepared."""

    def __init__(self) -> None:
        self.stubbers = {name: Stubber(boto3.client(name, **KEYS)) for name in SERVICES}

    def client(self, name: str) -> Any:
        return self.stubbers[name].client


@pytest.fixture
def faults() -> Callable[..., list[str]]:
    session: Any = Session()
    for stubber in session.stubbers.values():
        stubber.activate()

    def look(*, tasks: int, pause: str | None, status: str = "available", days: int = 7) -> list[str]:
        found = {"status": "ACTIVE", "deployments": [{}], "runningCount": tasks, "desiredCount": tasks}
        for _ in range(2):
            session.stubbers["ecs"].add_response("describe_services", {"services": [found]})
        database = {"DBInstanceStatus": status, "BackupRetentionPeriod": days}
        session.stubbers["rds"].add_response("describe_db_instances", {"DBInstances": [database]})
        marks = [{"Key": TAG, "Value": "image"}, {"Key": PAUSE_TAG, "Value": pause or ""}]
        snapshot = {"SnapshotCreateTime": datetime.now(UTC), "TagList": marks}
        if tasks == 0:
            there = [] if pause is None else [snapshot]
            session.stubbers["rds"].add_response("describe_db_snapshots", {"DBSnapshots": there})
        said = Upgrade(session, NAMES, print, stack=None, team={}, adopting_team=None).faults()
        for stubber in session.stubbers.values():
            stubber.assert_no_pending_responses()
        return said

    return look


def test_a_steady_service_and_a_pause_of_its_own_are_no_faults(faults: Callable[..., list[str]]) -> None:
    assert faults(tasks=2, pause=None) == []
    assert faults(tasks=0, pause="2026-11-29T06:00:00+00:00") == []


@pytest.mark.parametrize("pause", [None, ""])
def test_what_somebody_else_has_stopped_is_not_started(
    faults: Callable[..., list[str]], pause: str | None
) -> None:
    (fault,) = faults(tasks=0, pause=pause)
    assert "has no tasks, and no upgrade has paused it: start it first" in fault


def test_a_database_without_a_way_back_is_told(faults: Callable[..., list[str]]) -> None:
    busy, no_backups = faults(tasks=2, pause=None, status="modifying", days=0)
    assert "is modifying: wait for it" in busy
    assert "keeps no backups, so there is no way back" in no_backups
