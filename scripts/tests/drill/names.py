"""A stack's names, as the drill reads them from its outputs."""

from typing import Any

from drill.names import DrillNames

LIVE = "backend-store-1a2b3c4-d5e6f70"
ACCOUNT = "111122223333"
OUTPUTS: dict[str, Any] = {
    "region": "eu-west-1",
    "restoreDrill": {
        "instance": LIVE,
        "cluster": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/tracking-server-cluster-1a2b3c4",
        "taskDefinition": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-definition/mlflow-prod-restore-drill:3",
        "taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/restore-drill-task-role-1a2b3c4",
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/restore-drill-execution-role-1a2b3c4",
        "restoredUser": "mlflow",
        "subnets": ["subnet-0a", "subnet-0b"],
        "securityGroup": "sg-0c",
        "publicIp": False,
        "logGroup": "restore-drill-log-1a2b3c4",
    },
}
NAMES = DrillNames(
    region="eu-west-1",
    instance=LIVE,
    cluster=OUTPUTS["restoreDrill"]["cluster"],
    task_definition=OUTPUTS["restoreDrill"]["taskDefinition"],
    task_role_arn=OUTPUTS["restoreDrill"]["taskRoleArn"],
    execution_role_arn=OUTPUTS["restoreDrill"]["executionRoleArn"],
    restored_user="mlflow",
    subnets=("subnet-0a", "subnet-0b"),
    security_group="sg-0c",
    public_ip=False,
    log_group="restore-drill-log-1a2b3c4",
)
