"""The ECS agent's credentials endpoint: a task role's short-lived keys, fetched by the SDK and refreshed."""

import json
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from rehearsal.emulator import REGION, Emulator
from rehearsal.processes import POLL_SECONDS

SESSION_SECONDS = 3600
SESSION_NAME = "rehearsed-task"
ECS = "ecs-tasks.amazonaws.com"
# Fargate's agent hands out new keys well before the old ones end.
RENEW_BEFORE = timedelta(minutes=15)


class TrustError(RuntimeError):
    """A role's trust policy does not let ECS take it."""


def assume(emulator: Emulator, role_arn: str) -> dict[str, str]:
    """Take a role as ECS does and return boto3 credential arguments.

    The emulator has no ECS that could: the trust policy is held against what ECS presents, then, for the
    moment of taking it, the account's root is let in too. The role's rights are what they are.

    Raises:
        TrustError: ECS would be refused.
    """
    iam = emulator.client("iam")
    name = role_arn.rsplit("/", 1)[-1]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    account = role_arn.split(":")[4]
    if not any(_lets_ecs_in(statement, account) for statement in trust["Statement"]):
        raise TrustError(f"{role_arn} does not trust {ECS} for account {account}: {json.dumps(trust)}")
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "sts:AssumeRole",
    }
    opened = {**trust, "Statement": [*trust["Statement"], root]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    try:
        answer = emulator.client("sts").assume_role(
            RoleArn=role_arn, RoleSessionName=SESSION_NAME, DurationSeconds=SESSION_SECONDS
        )["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }


def _lets_ecs_in(statement: Mapping[str, Any], account: str) -> bool:
    return (
        statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": ECS}
        and statement["Action"] == "sts:AssumeRole"
        and statement.get("Condition", {}) in ({}, {"StringEquals": {"aws:SourceAccount": account}})
    )


class TaskRole:
    """Serves the task role's credentials as the ECS agent does, and knows what RDS asks IAM about them.

    Attributes:
        environment: what the agent puts into each container. Fargate gives a relative address on
            169.254.170.2; loopback needs the full one, which every AWS SDK reads too.
    """

    def __init__(self, emulator: Emulator, role_arn: str) -> None:
        self._emulator = emulator
        self._iam = emulator.client("iam")  # to make another takes longer than all else of a login
        self._role_arn = role_arn
        self._authorization = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._issued: dict[str, dict[str, str]] = {}
        self._current: dict[str, str] | None = None
        self._expires = datetime.now(UTC)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="ecs-agent", daemon=True
        )
        self.environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._authorization,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def secret_of(self, access_key_id: str, session_token: str | None) -> str | None:
        """Return the secret of a key that this endpoint issued, as IAM would know it."""
        issued = self._issued.get(access_key_id)
        if issued is None or issued["aws_session_token"] != session_token:
            return None
        return issued["aws_secret_access_key"]

    def issued(self, access_key_id: str) -> bool:
        """Tell whether a key came from this endpoint."""
        return access_key_id in self._issued

    def may_connect(self, database_resource_id: str, database_user: str) -> bool:
        """Ask the emulator's IAM whether the role may `rds-db:connect` as this database user."""
        account = self._role_arn.split(":")[4]
        resource = f"arn:aws:rds-db:{REGION}:{account}:dbuser:{database_resource_id}/{database_user}"
        answer = self._iam.simulate_principal_policy(
            PolicySourceArn=self._role_arn, ActionNames=["rds-db:connect"], ResourceArns=[resource]
        )
        return bool(answer["EvaluationResults"][0]["EvalDecision"] == "allowed")

    def _credentials(self) -> dict[str, Any]:
        with self._lock:
            if self._current is None or datetime.now(UTC) > self._expires - RENEW_BEFORE:
                self._current = assume(self._emulator, self._role_arn)
                self._issued[self._current["aws_access_key_id"]] = self._current
                self._expires = datetime.now(UTC) + timedelta(seconds=SESSION_SECONDS)
            return {
                "RoleArn": self._role_arn,
                "AccessKeyId": self._current["aws_access_key_id"],
                "SecretAccessKey": self._current["aws_secret_access_key"],
                "Token": self._current["aws_session_token"],
                "Expiration": self._expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        role = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("Authorization") != role._authorization or self.path != "/credentials":
                    self.send_error(401)
                    return
                body = json.dumps(role._credentials()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Say nothing: a line of it could name a credential."""

        return Handler


class TaskRoles(dict[str, TaskRole]):
    """The roles of all tasks, by ARN, as a database's login asks about them."""

    def secret_of(self, access_key_id: str, session_token: str | None) -> str | None:
        """Return the secret of a key that was issued to one of them."""
        secrets_found = [role.secret_of(access_key_id, session_token) for role in self.values()]
        return next((secret for secret in secrets_found if secret is not None), None)

    def may_connect(self, access_key_id: str, database_resource_id: str, database_user: str) -> bool:
        """Ask the emulator's IAM whether the key's role may `rds-db:connect` as this database user."""
        return any(
            role.issued(access_key_id) and role.may_connect(database_resource_id, database_user)
            for role in self.values()
        )
