"""The drill role's right to log in to a copy: one inline policy, there while the drill is."""

import json
from typing import Any

from botocore.exceptions import ClientError

from drill.instance import RefusedError
from drill.names import TAG, DrillNames

POLICY = "restore-drill-copy"


class RestoredLogin:
    """Gives the right to the drill's own role and takes it away again."""

    def __init__(self, iam: Any, names: DrillNames) -> None:
        self._iam = iam
        self._names = names

    def fault(self) -> str | None:
        """Say why the role is none of the drill's, or None.

        Raises:
            ClientError: as botocore's.
        """
        role = self._iam.get_role(RoleName=self._names.task_role)["Role"]
        found = {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])}.get(TAG)
        if found == self._names.instance:
            return None
        return (
            f"role {self._names.task_role} bears {found!r} as its tag {TAG}, not {self._names.instance!r}: "
            "it is no drill's of this stack, and no right is given to it or taken from it"
        )

    def given(self) -> bool:
        """Tell whether the role has the right.

        Raises:
            ClientError: as botocore's.
        """
        try:
            self._iam.get_role_policy(RoleName=self._names.task_role, PolicyName=POLICY)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
            return False
        return True

    def give(self, resource_id: str) -> None:
        """Let the role log in to the instance with this resource id as the user who owns the tables.

        Raises:
            RefusedError: the role is not the drill's.
        """
        self._refuse_foreign()
        resource = self._names.arn("rds-db", f"dbuser:{resource_id}/{self._names.restored_user}")
        statement = {"Effect": "Allow", "Action": ["rds-db:connect"], "Resource": [resource]}
        self._iam.put_role_policy(
            RoleName=self._names.task_role,
            PolicyName=POLICY,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )

    def take(self) -> None:
        """Take the right away, if it is there.

        Raises:
            RefusedError: the role is not the drill's.
        """
        self._refuse_foreign()
        try:
            self._iam.delete_role_policy(RoleName=self._names.task_role, PolicyName=POLICY)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise

    def _refuse_foreign(self) -> None:
        if fault := self.fault():
            raise RefusedError(fault)
