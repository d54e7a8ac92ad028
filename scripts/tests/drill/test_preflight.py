"""All that stops a drill is told at once, before anything is changed."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from drill.names import TAG
from drill.preflight import preflight_faults, rights
from scripts.tests.drill.names import ACCOUNT, LIVE, NAMES

CALLER = f"arn:aws:iam::{ACCOUNT}:user/hedy"
QUOTAS = {"DBInstances": (3, 40), "AllocatedStorage": (60, 1000)}


class Account:
    """An account in which every check passes, but for what a test changes; only questions are answered."""

    def __init__(self) -> None:
        keys = {"region_name": "eu-west-1", "aws_access_key_id": "-", "aws_secret_access_key": "-"}
        self.stubbers = {name: Stubber(boto3.client(name, **keys)) for name in ("rds", "iam", "ecs")}
        self.live: dict[str, Any] | None = {
            "DBInstanceIdentifier": LIVE,
            "DBInstanceStatus": "available",
            "BackupRetentionPeriod": 7,
            "LatestRestorableTime": datetime(2026, 11, 23, 12, tzinfo=UTC),
            "IAMDatabaseAuthenticationEnabled": True,
            "AllocatedStorage": 20,
            "DBSubnetGroup": {"DBSubnetGroupName": "subnets"},
            "DBParameterGroups": [{"DBParameterGroupName": "tls-only"}],
            "OptionGroupMemberships": [{"OptionGroupName": "default:postgres-16"}],
        }
        self.left: list[dict[str, Any]] = []
        self.quotas = dict(QUOTAS)
        self.mark = LIVE
        self.active = True
        self.denied: set[str] = set()
        self.simulates = True

    def client(self, name: str) -> Any:
        return self.stubbers[name].client

    def faults(self, caller: str = CALLER) -> tuple[list[str], list[str]]:
        said: list[str] = []
        self._database()
        self._role()
        if self.live is not None:
            self._rights()
        for stubber in self.stubbers.values():
            stubber.activate()
        session: Any = self
        return preflight_faults(session, NAMES, caller, said.append), said

    def _database(self) -> None:
        rds = self.stubbers["rds"]

        if self.live is None:
            rds.add_client_error("describe_db_instances", "DBInstanceNotFound")
            return
        rds.add_response("describe_db_instances", {"DBInstances": [self.live]})
        quotas = [
            {"AccountQuotaName": name, "Used": used, "Max": most}
            for name, (used, most) in self.quotas.items()
        ]
        rds.add_response("describe_account_attributes", {"AccountQuotas": quotas})
        rds.add_response("describe_db_instances", {"DBInstances": self.left})

    def _role(self) -> None:
        role = {
            "Path": "/",
            "RoleName": NAMES.task_role,
            "RoleId": "AROA0123456789ABC",
            "Arn": NAMES.task_role_arn,
            "CreateDate": "2026-11-23T12:00:00Z",
            "Tags": [{"Key": TAG, "Value": self.mark}],
        }
        self.stubbers["iam"].add_response("get_role", {"Role": role})
        status = "ACTIVE" if self.active else "INACTIVE"
        self.stubbers["ecs"].add_response("describe_task_definition", {"taskDefinition": {"status": status}})

    def _rights(self) -> None:
        if not self.simulates:
            self.stubbers["iam"].add_client_error("simulate_principal_policy", "AccessDenied")
            return
        for actions in rights(NAMES, self.live or {}).values():
            results = [
                {
                    "EvalActionName": action,
                    "EvalDecision": "implicitDeny" if action in self.denied else "allowed",
                }
                for action in actions
            ]
            self.stubbers["iam"].add_response("simulate_principal_policy", {"EvaluationResults": results})


@pytest.fixture
def account() -> Account:
    return Account()


def test_nothing_stops_a_drill_where_all_is_well(account: Account) -> None:
    assert account.faults() == ([], [])
    for stubber in account.stubbers.values():
        stubber.assert_no_pending_responses()


def test_all_faults_are_told_at_once(account: Account) -> None:
    assert account.live is not None
    account.live |= {
        "DBInstanceStatus": "modifying",
        "BackupRetentionPeriod": 0,
        "IAMDatabaseAuthenticationEnabled": False,
    }
    account.quotas = {"DBInstances": (40, 40), "AllocatedStorage": (990, 1000)}
    account.mark, account.active, account.denied = "another", False, {"rds:DeleteDBInstance", "iam:PassRole"}
    found, _ = account.faults()
    for words in (
        "is modifying, not available",
        "keeps no backups",
        "takes no logins by token",
        "40 of at most 40 instances",
        "990 of at most 1000 GiB",
        "it is no drill's of this stack",
        "is no longer active",
        "may not rds:DeleteDBInstance on arn:aws:rds:",
        f"may not iam:PassRole on {NAMES.execution_role_arn}",
        f"may not iam:PassRole on {NAMES.task_role_arn}",
    ):
        assert [fault for fault in found if words in fault], (words, found)
    assert len(found) == 10


def test_a_leftover_that_goes_first_makes_room(account: Account) -> None:
    account.quotas["DBInstances"] = (40, 40)
    left = {
        "DBInstanceIdentifier": f"{LIVE}-drill-202611230000",
        "DBInstanceStatus": "available",
        "AllocatedStorage": 20,
        "TagList": [{"Key": TAG, "Value": LIVE}],
    }
    account.left = [left]
    assert account.faults() == ([], [])


def test_another_accounts_caller_is_refused_before_aws_is_asked(account: Account) -> None:
    found, _ = account.faults("arn:aws:iam::999988887777:user/hedy")
    assert found == [
        (
            f"arn:aws:iam::999988887777:user/hedy is of account 999988887777, the stack of {ACCOUNT}: "
            "choose with --profile"
        )
    ]


def test_a_database_that_is_not_there_is_said(account: Account) -> None:
    account.live = None
    (found,), _ = account.faults()
    assert f"there is no RDS instance {LIVE} in eu-west-1" in found


def test_rights_that_cannot_be_looked_at_are_said_and_stop_nothing(account: Account) -> None:
    account.simulates = False
    assert account.faults() == (
        [],
        ["your rights are not looked at: that takes iam:SimulatePrincipalPolicy and iam:GetRole"],
    )
