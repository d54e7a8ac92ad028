"""The migration: brings MLflow's tables to a newer release, as a task that `scripts/upgrade.py` starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from backend_store import Connection
from containers import LOG_STREAMS, MIGRATION, migration_definition
from documents import rendered
from fargate import role_for_task, task_definition
from policies import write_log_streams

# MLflow's import and one transaction.
CPU, MEMORY = "1024", "2048"


@dataclass(frozen=True, kw_only=True)
class MigrationArgs:
    """What the migration is made from.

    Attributes:
        image: container image, that of the tracking server.
        region: AWS region.
        log_group: name of the log group.
        log_group_arn: its ARN.
        database: how to connect to the backend store.
        task_grants: IAM documents of what the task may do, by purpose.
        execution_grants: IAM documents of what ECS may do to start it, by purpose; None grants nothing.
    """

    image: pulumi.Input[str]
    region: str
    log_group: pulumi.Input[str]
    log_group_arn: pulumi.Input[str]
    database: Connection
    task_grants: Mapping[str, pulumi.Input[str]]
    execution_grants: Mapping[str, pulumi.Input[str] | None]


class Migration(pulumi.ComponentResource):
    """A task that no service runs.

    Creates a role for the task, which may log in to the database and nothing else, one for ECS that starts
    it, and the task definition.

    Attributes:
        task_definition: ARN of the task definition's newest revision.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:migration:Migration"

    task_definition: pulumi.Output[str]

    def __init__(self, name: str, args: MigrationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        logging = rendered(write_log_streams, args.log_group_arn, f"{LOG_STREAMS}/{MIGRATION}/*")
        task_role = self._role("task", args.task_grants)
        execution_role = self._role("execution", {"log": logging, **args.execution_grants})
        self.task_definition = self._definition(task_role, execution_role).arn
        self.register_outputs({"taskDefinition": self.task_definition})

    def _role(self, bearer: str, grants: Mapping[str, pulumi.Input[str] | None]) -> aws.iam.Role:
        name, logs = f"{self._name}-{bearer}", self._args.log_group_arn
        return role_for_task(name, grants, log_group_arn=logs, opts=self._child)[0]

    def _definition(self, task_role: aws.iam.Role, execution_role: aws.iam.Role) -> aws.ecs.TaskDefinition:
        args, database = self._args, self._args.database
        containers = pulumi.Output.all(
            image=args.image,
            region=args.region,
            log_group=args.log_group,
            database_host=database.host,
            database_port=database.port,
            database=database.name,
            database_user=database.user,
        ).apply(lambda known: migration_definition(**known))
        return task_definition(
            self._name, containers, family=MIGRATION, cpu=CPU, memory=MEMORY, task_role=task_role,
            execution_role=execution_role, opts=self._child,
        )  # fmt: skip
