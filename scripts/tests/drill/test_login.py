from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from drill.instance import RefusedError
from drill.login import POLICY, RestoredLogin
from drill.names import TAG
from scripts.tests.drill.names import ACCOUNT, LIVE, NAMES


@pytest.fixture
def iam() -> Iterator[Stubber]:
    client = boto3.client("iam", region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def role(*tags: tuple[str, str]) -> dict[str, Any]:
    return {
        "Role": {
            "Path": "/",
            "RoleName": NAMES.task_role,
            "RoleId": "AROA0123456789ABC",
            "Arn": NAMES.task_role_arn,
            "CreateDate": "2026-11-23T12:00:00Z",
            "Tags": [{"Key": key, "Value": value} for key, value in tags],
        }
    }


def test_the_role_may_log_in_to_one_instance_as_one_user(iam: Stubber) -> None:
    iam.add_response("get_role", role((TAG, LIVE)))
    asked = {"RoleName": NAMES.task_role, "PolicyName": POLICY, "PolicyDocument": ANY}
    iam.add_response("put_role_policy", {}, asked)
    given: dict[str, Any] = {}
    iam.client.meta.events.register(
        "before-parameter-build.iam.PutRolePolicy", lambda params, **_: given.update(params)
    )
    RestoredLogin(iam.client, NAMES).give("db-COPY")
    assert given["PolicyDocument"].count("Resource") == 1
    assert f'["arn:aws:rds-db:eu-west-1:{ACCOUNT}:dbuser:db-COPY/mlflow"]' in given["PolicyDocument"]


@pytest.mark.parametrize("tags", [(), ((TAG, "another-stack"),), (("Project", LIVE),)])
@pytest.mark.parametrize("change", ["give", "take"])
def test_a_role_without_the_mark_gets_nothing_and_loses_nothing(
    iam: Stubber, tags: tuple[tuple[str, str], ...], change: str
) -> None:
    iam.add_response("get_role", role(*tags))  # any change would find no answer prepared
    login = RestoredLogin(iam.client, NAMES)
    with pytest.raises(RefusedError, match="it is no drill's of this stack"):
        login.give("db-COPY") if change == "give" else login.take()


def test_a_right_that_is_not_there_is_taken_without_complaint(iam: Stubber) -> None:
    iam.add_response("get_role", role((TAG, LIVE)))
    iam.add_client_error("delete_role_policy", "NoSuchEntity")
    RestoredLogin(iam.client, NAMES).take()


@pytest.mark.parametrize("given", [True, False])
def test_it_tells_whether_the_right_is_there(iam: Stubber, *, given: bool) -> None:
    if given:
        answer = {"RoleName": NAMES.task_role, "PolicyName": POLICY, "PolicyDocument": "{}"}
        iam.add_response("get_role_policy", answer, {"RoleName": NAMES.task_role, "PolicyName": POLICY})
    else:
        iam.add_client_error("get_role_policy", "NoSuchEntity")
    assert RestoredLogin(iam.client, NAMES).given() is given
