"""What a drill may delete, and what it refuses to; the requests are checked against RDS's own model."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from drill.instance import DrillError, RefusedError, RestoredInstance, copies_of
from drill.names import TAG
from scripts.tests.drill.names import LIVE, NAMES


def described(name: str, status: str = "available", **marks: str) -> dict[str, Any]:
    tags = [{"Key": key.replace("_", "-"), "Value": value} for key, value in marks.items()]
    return {"DBInstances": [{"DBInstanceIdentifier": name, "DBInstanceStatus": status, "TagList": tags}]}


def copy(name: str = "copy", status: str = "available", of: str = LIVE) -> dict[str, Any]:
    instance = described(name, status)["DBInstances"][0]
    return {"DBInstances": [{**instance, "TagList": [{"Key": TAG, "Value": of}]}]}


@pytest.fixture
def rds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setattr("drill.instance.POLL_SECONDS", 0)
    client = boto3.client("rds", region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def instances(rds: Stubber) -> RestoredInstance:
    return RestoredInstance(rds.client, NAMES, print)


def test_a_copy_is_deleted_without_a_last_snapshot_and_with_its_backups(
    rds: Stubber, instances: RestoredInstance
) -> None:
    rds.add_response("describe_db_instances", copy(), {"DBInstanceIdentifier": "copy"})
    asked = {"DBInstanceIdentifier": "copy", "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
    rds.add_response("delete_db_instance", {}, asked)
    instances.delete("copy")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (described("copy"), "bears None as its tag"),
        (copy(of="another-stack"), "bears 'another-stack' as its tag"),
        (described("copy", Name="drill"), "bears None as its tag"),
        (copy(name=LIVE), "is the live database"),
    ],
    ids=["no tag", "another stack's tag", "other tags", "the live one, whatever it bears"],
)
def test_what_is_no_copy_of_this_stacks_drill_is_not_deleted(
    rds: Stubber, instances: RestoredInstance, found: dict[str, Any], said: str
) -> None:
    rds.add_response("describe_db_instances", found)  # any deletion would find no answer prepared
    with pytest.raises(RefusedError, match=said):
        instances.delete(found["DBInstances"][0]["DBInstanceIdentifier"])


def test_a_copy_that_is_gone_or_going_is_well(rds: Stubber, instances: RestoredInstance) -> None:
    rds.add_client_error("describe_db_instances", "DBInstanceNotFound")
    instances.delete("copy")
    rds.add_response("describe_db_instances", copy(status="deleting"))
    instances.delete("copy")


def test_a_deletion_that_rds_refuses_for_now_is_tried_again_and_the_tag_looked_at_again(
    rds: Stubber, instances: RestoredInstance
) -> None:
    rds.add_response("describe_db_instances", copy(status="creating"))
    rds.add_client_error("delete_db_instance", "InvalidDBInstanceState")
    rds.add_response("describe_db_instances", described("copy"))
    with pytest.raises(RefusedError):
        instances.delete("copy")


def test_a_deletion_that_rds_denies_is_said(rds: Stubber, instances: RestoredInstance) -> None:
    rds.add_response("describe_db_instances", copy())
    rds.add_client_error("delete_db_instance", "AccessDenied")
    with pytest.raises(DrillError, match=r"copy could not be deleted: .*AccessDenied"):
        instances.delete("copy")


def test_leftovers_are_what_bears_this_stacks_mark_and_nothing_else(
    rds: Stubber, instances: RestoredInstance
) -> None:
    found = [described(LIVE), copy("left"), copy("other", of="another"), copy("going", "deleting")]
    rds.add_response(
        "describe_db_instances",
        {"DBInstances": [instance for one in found for instance in one["DBInstances"]]},
    )
    assert [one["DBInstanceIdentifier"] for one in instances.leftovers()] == ["left"]


def test_it_restores_beside_the_live_one_closed_to_the_world_and_marked(
    rds: Stubber, instances: RestoredInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = described(LIVE)["DBInstances"][0] | {
        "DBInstanceClass": "db.t4g.micro",
        "DBSubnetGroup": {"DBSubnetGroupName": "subnets"},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
        "DBParameterGroups": [{"DBParameterGroupName": "tls-only"}],
    }
    rds.add_response("describe_db_instances", {"DBInstances": [live]})
    asked: dict[str, Any] = {}

    def note(params: dict[str, Any], **_: object) -> None:
        asked.update(params)

    rds.client.meta.events.register("before-parameter-build.rds.RestoreDBInstanceToPointInTime", note)
    rds.add_response("restore_db_instance_to_point_in_time", {})
    to = datetime(2026, 11, 23, 12, tzinfo=UTC)
    name = instances.restore(to, "arn:aws:iam::111122223333:user/hedy")
    assert name.startswith(f"{LIVE}-drill-")
    assert asked["SourceDBInstanceIdentifier"] == LIVE
    assert (asked["TargetDBInstanceIdentifier"], asked["RestoreTime"]) == (name, to)
    assert asked["VpcSecurityGroupIds"] == ["sg-1"]
    assert (asked["DBSubnetGroupName"], asked["DBParameterGroupName"]) == ("subnets", "tls-only")
    assert asked["EnableIAMDatabaseAuthentication"] is True
    assert (asked["PubliclyAccessible"], asked["DeletionProtection"]) == (False, False)
    assert {"Key": TAG, "Value": LIVE} in asked["Tags"]


def test_a_copys_name_is_never_longer_than_rds_takes_and_has_no_doubled_hyphen() -> None:
    assert copies_of(LIVE) == f"{LIVE}-drill-"
    assert len(copies_of("x" * 63)) + len("20261123120000") == 63
    assert copies_of(f"{'x' * 41}-{'x' * 21}") == f"{'x' * 41}-drill-"


def test_it_waits_until_the_backups_have_passed_the_time(rds: Stubber, instances: RestoredInstance) -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=UTC)
    for seconds in (-300, 1, 300):
        latest = at.replace(microsecond=0) + timedelta(seconds=seconds)
        found = described(LIVE)["DBInstances"][0] | {"LatestRestorableTime": latest}
        rds.add_response("describe_db_instances", {"DBInstances": [found]})
    to = instances.wait_restorable(at)
    assert to == at.replace(microsecond=0) + timedelta(seconds=299)


@pytest.mark.parametrize("status", ["failed", "incompatible-restore", "deleting"])
def test_a_copy_that_does_not_come_ends_the_drill(
    rds: Stubber, instances: RestoredInstance, status: str
) -> None:
    rds.add_response("describe_db_instances", copy(status="creating"))
    rds.add_response("describe_db_instances", copy(status=status))
    with pytest.raises(DrillError, match=f"copy is {status} after"):
        instances.wait_available("copy")
