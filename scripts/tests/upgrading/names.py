"""A stack's names, as the upgrade reads them from its outputs."""

from typing import Any

from scripts.tests.conftest import OUTPUTS as STACK_OUTPUTS
from upgrading.names import UpgradeNames

ACCOUNT = "111122223333"
DATABASE = "backend-store-1a2b3c4-d5e6f70"
CLUSTER = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/tracking-server-cluster-1a2b3c4"
NETWORK = {"subnets": ["subnet-0a"], "securityGroups": ["sg-0c"], "assignPublicIp": "DISABLED"}
HELD = ["urn:pulumi:prod::mlflow-tracking::aws:ecs/service:Service::tracking-server-service"]
OUTPUTS: dict[str, Any] = {
    **STACK_OUTPUTS,
    "upgrade": {
        "cluster": CLUSTER,
        "service": "tracking-server-service-1a2b3c4",
        "database": DATABASE,
        "migration": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-definition/mlflow-tracking-prod-migration:3",
        "network": NETWORK,
        "logGroup": "tracking-server-log-1a2b3c4",
        "held": HELD,
    },
}
NAMES = UpgradeNames(
    region="eu-west-1",
    cluster=CLUSTER,
    service=OUTPUTS["upgrade"]["service"],
    database=DATABASE,
    migration=OUTPUTS["upgrade"]["migration"],
    network=NETWORK,
    log_group=OUTPUTS["upgrade"]["logGroup"],
    held=tuple(HELD),
    teams=("speech", "vision"),
)
