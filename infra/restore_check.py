"""The restore check: what a restore drill runs to look at a copy of the database, beside the live one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from backend_store import READING_USER, SERVER_USER, Connection
from containers import DRILL, LOG_STREAMS, drill_definition
from documents import rendered
from doorway import Doorway, let_through
from fargate import role_for_task, task_definition
from network import ANYWHERE, Site
from policies import read_access_list, write_log_streams

HTTPS = 443
# A server and what compares; it runs for minutes, once a month.
CPU, MEMORY = "1024", "2048"
# What bears it was made for drills. scripts/restore_drill.py gives rights to such a role alone, and deletes
# nothing without it.
TAG = "mlflow-tracking:restore-drill"


@dataclass(frozen=True, kw_only=True)
class RestoreCheckArgs:
    """What the restore check is made from.

    Attributes:
        image: container image, the tracking server's.
        region: AWS region.
        site: where its task stands.
        cluster: ARN of the cluster that its task runs in.
        log_days: how long logs are kept.
        bucket: where artifacts lie.
        database: how to connect to the live backend store.
        instance: the live instance's name.
        calls: doorways that the task connects to, by box.
        task_grants: IAM documents of what the task may do, by purpose.
        execution_grants: IAM documents of what ECS may do to start it, by purpose; None grants nothing.
    """

    image: pulumi.Input[str]
    region: str
    site: Site
    cluster: pulumi.Input[str]
    log_days: int
    bucket: pulumi.Input[str]
    database: Connection
    instance: pulumi.Input[str]
    calls: Mapping[str, Doorway]
    task_grants: Mapping[str, pulumi.Input[str]]
    execution_grants: Mapping[str, pulumi.Input[str] | None]


class RestoreCheck(pulumi.ComponentResource):
    """A task definition that `scripts/restore_drill.py` runs; nothing of it runs or costs anything otherwise.

    Creates the log group, a role for the task and one for ECS that starts it, the security group with its
    rules, the task definition, and an access list of its own, which lets that role alone log in to the server
    that the task starts on the copy. The live server knows nothing of it.

    Attributes:
        names: what the script must know.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:restore_check:RestoreCheck"

    names: dict[str, pulumi.Input[Any]]

    def __init__(self, name: str, args: RestoreCheckArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._logs = aws.cloudwatch.LogGroup(f"{name}-log", retention_in_days=args.log_days, opts=self._child)
        group = self._security_group()
        task_role = self._role("task", args.task_grants, {TAG: args.instance})
        access_list = self._access_list(task_role)
        logging = rendered(write_log_streams, self._logs.arn, f"{LOG_STREAMS}/*")
        execution_role = self._role("execution", {"log": logging, **args.execution_grants})
        definition = self._task_definition(task_role, execution_role, access_list)
        self.names = {
            "instance": args.instance,
            "cluster": args.cluster,
            "taskDefinition": definition.arn,
            "taskRoleArn": task_role.arn,
            "executionRoleArn": execution_role.arn,
            "restoredUser": SERVER_USER,
            "subnets": args.site.subnet_ids,
            "securityGroup": group.id,
            "publicIp": args.site.public_ip,
            "logGroup": self._logs.name,
        }
        self.register_outputs({"taskDefinition": definition.arn})

    def _security_group(self) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-security-group",
            description="Restore check: nobody comes in",
            vpc_id=self._args.site.vpc_id,
            opts=self._child,
        )
        for box, door in self._args.calls.items():
            let_through(f"{self._name}-to-{box}", group.id, door, self._child)
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-to-aws",
            description="S3, ECR, CloudWatch Logs, SSM and STS answer on public addresses",
            security_group_id=group.id,
            cidr_ipv4=ANYWHERE,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=self._child,
        )
        return group

    def _role(
        self,
        bearer: str,
        grants: Mapping[str, pulumi.Input[str] | None],
        tags: Mapping[str, pulumi.Input[str]] | None = None,
    ) -> aws.iam.Role:
        name, logs = f"{self._name}-{bearer}", self._logs.arn
        return role_for_task(name, grants, log_group_arn=logs, tags=tags, opts=self._child)[0]

    def _access_list(self, task_role: aws.iam.Role) -> str:
        path = f"/{pulumi.get_project()}/{pulumi.get_stack()}/{DRILL}"
        parameter = aws.ssm.Parameter(
            f"{self._name}-admins",
            name=f"{path}/admins",
            type="String",
            tier="Standard",
            insecure_value=task_role.arn.apply(lambda arn: json.dumps({"admins": [arn]})),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            f"{self._name}-task-access-list",
            role=task_role.name,
            policy=rendered(read_access_list, parameter.arn, path),
            opts=self._child,
        )
        return path

    def _task_definition(
        self, task_role: aws.iam.Role, execution_role: aws.iam.Role, access_list: str
    ) -> aws.ecs.TaskDefinition:
        args, database = self._args, self._args.database
        containers = pulumi.Output.all(
            image=args.image,
            region=args.region,
            log_group=self._logs.name,
            bucket=args.bucket,
            database_host=database.host,
            database_port=database.port,
            database=database.name,
            reading_user=READING_USER,
            restored_user=SERVER_USER,
            access_list=access_list,
        ).apply(lambda known: drill_definition(**known))
        return task_definition(
            self._name, containers, family=DRILL, cpu=CPU, memory=MEMORY, task_role=task_role,
            execution_role=execution_role, opts=self._child,
        )  # fmt: skip
