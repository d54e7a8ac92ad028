"""The tracking server: MLflow on Fargate, as many tasks as the load asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from backend_store import Connection
from connections import DEPLOYMENT_PERCENT
from containers import CONTAINER, LOG_STREAMS, PORT, container_definitions
from documents import rendered
from doorway import Doorway, let_through
from fargate import role_for_task, task_definition
from front_door import Entrance
from network import ANYWHERE, Site
from policies import write_log_streams
from scaling import Scaling, ScalingArgs

HTTPS = 443
# The database is prepared and MLflow imported before the load balancer's checks count.
HEALTH_GRACE_SECONDS = 300
STEADY_TIMEOUT = "40m"  # the circuit breaker's three attempts and the way back take more than the usual 20


@dataclass(frozen=True, kw_only=True)
class TrackingServerArgs:
    """What the tracking server is made from.

    Attributes:
        image: container image, by digest unless somebody named one by its tag.
        region: AWS region.
        site: where it stands.
        cpu: CPU units of a task.
        memory: MiB of a task.
        min_tasks: tasks that always run.
        max_tasks: tasks at most.
        log_days: how long logs are kept.
        access_list: path of the SSM parameters that say who may come in.
        bucket: where artifacts lie.
        database: how to connect to the backend store.
        entrance: how the front door leads here.
        callers: security groups that may connect, by box.
        calls: doorways that the server connects to, by box.
        task_grants: IAM documents of what the server may do, by purpose.
        execution_grants: IAM documents of what ECS may do to start a task, by purpose; None grants nothing.
        after: what must stand before the first task starts.
    """

    image: pulumi.Input[str]
    region: str
    site: Site
    cpu: int
    memory: int
    min_tasks: int
    max_tasks: int
    log_days: int
    access_list: str
    bucket: pulumi.Input[str]
    database: Connection
    entrance: Entrance
    callers: Mapping[str, pulumi.Input[str]]
    calls: Mapping[str, Doorway]
    task_grants: Mapping[str, pulumi.Input[str]]
    execution_grants: Mapping[str, pulumi.Input[str] | None]
    after: list[pulumi.Resource]


class TrackingServer(pulumi.ComponentResource):
    """An ECS service on Fargate.

    Creates the cluster, the log group, a role for the task and one for ECS that starts it, the security
    group with its rules, the task definition, the service, and its autoscaling.

    Attributes:
        cluster: ARN of the ECS cluster.
        service: name of the ECS service.
        log_group: name of the log group.
        log_group_arn: its ARN.
        network: where its tasks stand, as ECS's `awsvpcConfiguration`.
        held: URNs of what a `pulumi up` leaves alone that must not start another image yet.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:tracking_server:TrackingServer"

    cluster: pulumi.Output[str]
    service: pulumi.Output[str]
    log_group: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]
    network: dict[str, pulumi.Input[Any]]
    held: list[pulumi.Output[str]]

    def __init__(
        self, name: str, args: TrackingServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._before_start = list(args.after)
        self._logs = aws.cloudwatch.LogGroup(f"{name}-log", retention_in_days=args.log_days, opts=self._child)
        self._cluster = aws.ecs.Cluster(
            f"{name}-cluster",
            settings=[{"name": "containerInsights", "value": "enabled"}],
            opts=self._child,
        )
        self._security_group = self._guarded_security_group()
        self.network = {
            "subnets": args.site.subnet_ids,
            "securityGroups": [self._security_group.id],
            "assignPublicIp": "ENABLED" if args.site.public_ip else "DISABLED",
        }
        task_role = self._role("task", args.task_grants)
        logging = rendered(write_log_streams, self._logs.arn, f"{LOG_STREAMS}/*")
        execution_role = self._role("execution", {"log": logging, **args.execution_grants})
        definition = self._task_definition(task_role, execution_role)
        service = self._service(definition)
        pulumi.Output.all(service.task_definition, definition.arn).apply(refuse_rollback)
        Scaling(
            f"{name}-scaling",
            ScalingArgs(
                cluster=self._cluster.name,
                service=service.name,
                min_tasks=args.min_tasks,
                max_tasks=args.max_tasks,
                cpu=args.cpu,
                request_label=args.entrance.request_label,
            ),
            self._child,
        )
        self.cluster, self.service = self._cluster.arn, service.name
        self.log_group, self.log_group_arn = self._logs.name, self._logs.arn
        self.held = [service.urn, definition.urn]
        self.register_outputs({"cluster": self.cluster, "service": self.service})

    def _guarded_security_group(self) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-security-group",
            description="Tracking server: from the front door only",
            vpc_id=self._args.site.vpc_id,
            opts=self._child,
        )
        own_door = Doorway(security_group_id=group.id, port=PORT)
        for box, caller in self._args.callers.items():
            self._before_start += let_through(f"{box}-to-{self._name}", caller, own_door, self._child)
        for box, door in self._args.calls.items():
            self._before_start += let_through(f"{self._name}-to-{box}", group.id, door, self._child)
        aws_services = aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-to-aws",
            description="S3, ECR, CloudWatch Logs, Secrets Manager, SSM and STS answer on public addresses",
            security_group_id=group.id,
            cidr_ipv4=ANYWHERE,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=self._child,
        )
        self._before_start.append(aws_services)
        return group

    def _role(self, bearer: str, grants: Mapping[str, pulumi.Input[str] | None]) -> aws.iam.Role:
        name, logs = f"{self._name}-{bearer}", self._logs.arn
        role, policies = role_for_task(name, grants, log_group_arn=logs, opts=self._child)
        self._before_start += policies
        return role

    def _task_definition(
        self, task_role: aws.iam.Role, execution_role: aws.iam.Role
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
            database_user=database.user,
            master_secret_arn=database.master_secret_arn,
            access_list=args.access_list,
            server_id=args.entrance.server_id,
            hosts=args.entrance.hosts,
            origins=args.entrance.origins,
        ).apply(lambda known: container_definitions(**known))
        return task_definition(
            self._name, containers, cpu=str(args.cpu), memory=str(args.memory), task_role=task_role,
            execution_role=execution_role, opts=self._child,
            skip_destroy=True,  # ECS rolls back to the revision before this one
        )  # fmt: skip

    def _service(self, task_definition: aws.ecs.TaskDefinition) -> aws.ecs.Service:
        args = self._args
        return aws.ecs.Service(
            f"{self._name}-service",
            cluster=self._cluster.arn,
            task_definition=task_definition.arn,
            launch_type="FARGATE",
            platform_version="LATEST",
            desired_count=args.min_tasks,
            network_configuration={
                "subnets": args.site.subnet_ids,
                "security_groups": [self._security_group.id],
                "assign_public_ip": args.site.public_ip,
            },
            load_balancers=[
                {
                    "target_group_arn": args.entrance.target_group_arn,
                    "container_name": CONTAINER,
                    "container_port": PORT,
                }
            ],
            health_check_grace_period_seconds=HEALTH_GRACE_SECONDS,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=DEPLOYMENT_PERCENT,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            wait_for_steady_state=True,
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=self._before_start,
                ignore_changes=["desired_count"],  # autoscaling owns it
                custom_timeouts=pulumi.CustomTimeouts(create=STEADY_TIMEOUT, update=STEADY_TIMEOUT),
            ),
        )


def refuse_rollback(revisions: list[str]) -> None:
    """Fail the update when ECS went back to the revision before, which the provider calls a success.

    Args:
        revisions: ARNs of the task definition that runs and of the one that was declared.

    Raises:
        RuntimeError: they differ.
    """
    running, declared = revisions
    if running != declared:
        raise RuntimeError(f"ECS went back to {running}; the log of {declared}'s tasks says why")
