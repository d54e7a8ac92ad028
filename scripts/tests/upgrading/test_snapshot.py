from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from scripts.tests.stubbed import KEYS
from scripts.tests.upgrading.names import DATABASE
from upgrading.error import UpgradeError
from upgrading.snapshot import TAG, TASKS_TAG, UpgradeSnapshot

IMAGE = "registry/server@sha256:0123"
ARN = "arn:aws:rds:eu-west-1:111122223333:snapshot:made"


@pytest.fixture
def rds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setattr("upgrading.snapshot.POLL_SECONDS", 0)
    with Stubber(boto3.client("rds", **KEYS)) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def snapshot(rds: Stubber) -> UpgradeSnapshot:
    return UpgradeSnapshot(rds.client, DATABASE, lambda _line: None)


def made(
    name: str, *, age: timedelta = timedelta(), status: str = "available", **marks: str
) -> dict[str, Any]:
    return {
        "DBSnapshotIdentifier": name,
        "DBSnapshotArn": ARN,
        "Status": status,
        "SnapshotCreateTime": datetime.now(UTC) - age,
        "TagList": [{"Key": key, "Value": value} for key, value in marks.items()],
    }


def noted(rds: Stubber, *there: dict[str, Any]) -> None:
    rds.add_response("describe_db_snapshots", {"DBSnapshots": list(there)})
    tasks = {"ResourceName": ARN, "Tags": [{"Key": TASKS_TAG, "Value": "2"}]}
    rds.add_response("add_tags_to_resource", {}, tasks)


def test_one_is_made_and_awaited_and_told_how_many_tasks_there_were(
    rds: Stubber, snapshot: UpgradeSnapshot
) -> None:
    rds.add_response("describe_db_snapshots", {"DBSnapshots": [made("somebodys")]})
    creation = {"DBInstanceIdentifier": DATABASE, "DBSnapshotIdentifier": ANY}
    rds.add_response(
        "create_db_snapshot",
        {"DBSnapshot": made("new", status="creating")},
        {**creation, "Tags": [{"Key": TAG, "Value": IMAGE}]},
    )
    for status in ("creating", "available"):
        rds.add_response("describe_db_snapshots", {"DBSnapshots": [made("new", status=status)]})
    noted(rds, made("somebodys"), made("new", **{TAG: IMAGE}))
    snapshot.make(IMAGE, 2)


def test_a_fresh_one_for_the_same_image_is_taken(rds: Stubber, snapshot: UpgradeSnapshot) -> None:
    fresh = made("fresh", **{TAG: IMAGE})
    rds.add_response("describe_db_snapshots", {"DBSnapshots": [fresh]})
    rds.add_response("describe_db_snapshots", {"DBSnapshots": [fresh]})
    noted(rds, fresh)
    snapshot.make(IMAGE, 2)


@pytest.mark.parametrize(
    "old", [made("stale", age=timedelta(hours=2), **{TAG: IMAGE}), made("other", **{TAG: "another-image"})]
)
def test_a_stale_one_or_one_for_another_image_is_not(
    rds: Stubber, snapshot: UpgradeSnapshot, old: dict[str, Any]
) -> None:
    rds.add_response("describe_db_snapshots", {"DBSnapshots": [old]})
    new = made("new", **{TAG: IMAGE})
    rds.add_response("create_db_snapshot", {"DBSnapshot": new})
    rds.add_response("describe_db_snapshots", {"DBSnapshots": [new]})
    noted(rds, old, new)
    snapshot.make(IMAGE, 2)


def test_one_that_fails_is_told(rds: Stubber, snapshot: UpgradeSnapshot) -> None:
    rds.add_response("describe_db_snapshots", {"DBSnapshots": []})
    rds.add_response("create_db_snapshot", {"DBSnapshot": made("new", status="creating")})
    rds.add_response("describe_db_snapshots", {"DBSnapshots": [made("new", status="failed")]})
    with pytest.raises(UpgradeError, match="snapshot new is failed"):
        snapshot.make(IMAGE, 2)


def test_the_journal_is_that_of_the_newest(rds: Stubber, snapshot: UpgradeSnapshot) -> None:
    old = made("old", age=timedelta(hours=1), **{TAG: IMAGE, TASKS_TAG: "1"})
    rds.add_response(
        "describe_db_snapshots", {"DBSnapshots": [old, made("new", **{TAG: IMAGE, TASKS_TAG: "3"})]}
    )
    assert snapshot.noted()[TASKS_TAG] == "3"


def test_without_a_snapshot_there_is_no_journal_to_write_to(rds: Stubber, snapshot: UpgradeSnapshot) -> None:
    for _ in range(2):
        rds.add_response("describe_db_snapshots", {"DBSnapshots": []})
    assert snapshot.noted() == {}
    with pytest.raises(UpgradeError, match="is gone"):
        snapshot.note(TASKS_TAG, "1")
