"""What is left of a drill is removed as far as it goes, and told with the commands that remove the rest."""

from typing import Any
from unittest.mock import Mock

import pytest

from drill.instance import BY_TAG, DrillError, RefusedError
from drill.login import POLICY
from drill.names import TAG
from drill.remains import DrillRemains
from scripts.tests.drill.names import LIVE, NAMES

COPY = f"{LIVE}-drill-20261123120000"
DESCRIBED = {"DBInstanceIdentifier": COPY, "TagList": [{"Key": BY_TAG, "Value": "hedy"}]}
TASK = "arn:aws:ecs:eu-west-1:111122223333:task/cluster/0123"


class Account:
    """One task, one right and one copy of a drill; what AWS answers is set by a test."""

    def __init__(self) -> None:
        self.instances = Mock(**{"leftovers.return_value": [DESCRIBED]})
        self.login = Mock(**{"given.return_value": True})
        self.tasks = Mock(**{"leftovers.return_value": [TASK]})
        self.remains = DrillRemains(NAMES, self.instances, self.login, self.tasks, lambda _: None)

    def asked(self) -> list[Any]:
        return [self.tasks.stop.mock_calls, self.login.take.mock_calls, self.instances.delete.mock_calls]


@pytest.fixture
def account() -> Account:
    return Account()


def test_all_of_it_is_removed(account: Account) -> None:
    assert account.remains.remove() == []
    account.tasks.stop.assert_called_once_with(TASK)
    account.login.take.assert_called_once_with()
    account.instances.delete.assert_called_once_with(COPY)


def test_what_cannot_be_removed_keeps_nothing_else(account: Account) -> None:
    account.tasks.stop.side_effect = RefusedError("no task of a drill")
    account.login.take.side_effect = RefusedError("no role of a drill")
    account.instances.delete.side_effect = DrillError("RDS will not")
    assert account.remains.remove() == ["no task of a drill", "no role of a drill", "RDS will not"]
    assert [len(calls) for calls in account.asked()] == [1, 1, 1]


def test_what_is_left_is_told_with_the_command_that_removes_it(account: Account) -> None:
    told = account.remains.told()
    stop = f"aws ecs stop-task --region eu-west-1 --cluster {NAMES.cluster} --task {TASK}"
    take = f"aws iam delete-role-policy --role-name {NAMES.task_role} --policy-name {POLICY}"
    delete = f"aws rds delete-db-instance --region eu-west-1 --db-instance-identifier {COPY} "
    assert told.splitlines() == [
        "left, with what removes it:",
        f"  task {TASK}: {stop}",
        f"  policy {POLICY} of {NAMES.task_role}: {take}",
        f"  copy {COPY}, made by hedy: {delete}--skip-final-snapshot --delete-automated-backups",
    ]


def test_nothing_left_is_told_too(account: Account) -> None:
    account.instances.leftovers.return_value = account.tasks.leftovers.return_value = []
    account.login.given.return_value = False
    assert account.remains.told() == "nothing is left of it"


def test_what_cannot_be_looked_up_is_told_by_its_tag(account: Account) -> None:
    account.instances.leftovers.side_effect = DrillError("AWS is away")
    assert account.remains.told() == (
        f"what is left could not be looked up (AWS is away): it bears the tag {TAG}"
    )
