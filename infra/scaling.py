"""Scaling: as many tasks as the load asks for."""

from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

VCPU = 1024  # CPU units
CPU_TARGET_PERCENT = 60
# Stock MLflow spends 11 to 15 ms of CPU on logging a metric, 70 a second on one vCPU; this is 60 % of it.
REQUESTS_PER_VCPU_MINUTE = 2500
CPU_METRIC = "ECSServiceAverageCPUUtilization"
REQUEST_METRIC = "ALBRequestCountPerTarget"


@dataclass(frozen=True, kw_only=True)
class ScalingArgs:
    """What the scaling is made from.

    Attributes:
        cluster: name of the ECS cluster.
        service: name of the ECS service.
        min_tasks: tasks that always run.
        max_tasks: tasks at most.
        cpu: CPU units of a task.
        request_label: names the load balancer and target group whose requests count.
    """

    cluster: pulumi.Input[str]
    service: pulumi.Input[str]
    min_tasks: int
    max_tasks: int
    cpu: int
    request_label: pulumi.Input[str]


class Scaling(pulumi.ComponentResource):
    """Target tracking of one ECS service.

    Creates the scalable target and two policies, on CPU and on requests; whichever asks for more tasks wins.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:scaling:Scaling"

    def __init__(self, name: str, args: ScalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self._target = aws.appautoscaling.Target(
            f"{name}-target",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat("service/", args.cluster, "/", args.service),
            min_capacity=args.min_tasks,
            max_capacity=args.max_tasks,
            opts=self._child,
        )
        self._track("cpu", CPU_TARGET_PERCENT, CPU_METRIC)
        self._track(
            "requests", REQUESTS_PER_VCPU_MINUTE * args.cpu / VCPU, REQUEST_METRIC, args.request_label
        )
        self.register_outputs({})

    def _track(self, what: str, value: float, metric: str, label: pulumi.Input[str] | None = None) -> None:
        aws.appautoscaling.Policy(
            f"{self._name}-on-{what}",
            policy_type="TargetTrackingScaling",
            service_namespace=self._target.service_namespace,
            scalable_dimension=self._target.scalable_dimension,
            resource_id=self._target.resource_id,
            target_tracking_scaling_policy_configuration={
                "target_value": value,
                "predefined_metric_specification": {
                    "predefined_metric_type": metric,
                    "resource_label": label,
                },
            },
            opts=self._child,
        )
