"""The stack, as the README's picture shows it: settings, boxes, who may do what to whom, outputs."""

import pulumi

from access_list import AccessList, AccessListArgs
from artifact_store import ArtifactStore, ArtifactStoreArgs
from backend_store import BackendStore, BackendStoreArgs
from containers import PORT
from front_door import FrontDoor, FrontDoorArgs
from image import Image, ImageArgs
from migration import Migration, MigrationArgs
from network import ANYWHERE, Network, NetworkArgs
from restore_check import RestoreCheck, RestoreCheckArgs
from settings import settings_of_stack
from team_access import TeamAccess, TeamAccessArgs
from tracking_server import TrackingServer, TrackingServerArgs

s = settings_of_stack()

# First: where neither an image nor a Docker to build one is there, nothing may be made.
image = Image("image", ImageArgs(ready=s.image, base=s.base_image, region=s.region))
network = Network(
    "network",
    NetworkArgs(
        cidr=s.vpc_cidr,
        region=s.region,
        egress=s.egress,
        log_days=s.log_days,
        disposable=s.disposable,
    ),
)
artifact_store = ArtifactStore(
    "artifact-store",
    ArtifactStoreArgs(
        members={name: team.members for name, team in s.teams.items()},
        disposable=s.disposable,
    ),
)
backend_store = BackendStore(
    "backend-store",
    BackendStoreArgs(
        site=network.private,
        instance_class=s.database_class,
        storage=s.database_storage,
        port=s.database_port,
        multi_az=s.multi_az,
        backup_days=s.backup_days,
        log_days=s.log_days,
        disposable=s.disposable,
    ),
)
front_door = FrontDoor(
    "front-door",
    FrontDoorArgs(
        site=network.public if s.public else network.private,
        public=s.public,
        callers=(ANYWHERE,) if s.public and not s.allowed_cidrs else (s.vpc_cidr, *s.allowed_cidrs),
        target_port=PORT,
        domain=s.domain,
        hosted_zone_id=s.hosted_zone_id,
        certificate_arn=s.certificate_arn,
        disposable=s.disposable,
        after=[network],
    ),
)
team_access = TeamAccess(
    "team-access",
    TeamAccessArgs(
        teams=s.teams, admins=s.admins, bucket=artifact_store.bucket, bucket_arn=artifact_store.arn
    ),
)
access_list = AccessList(
    "access-list",
    AccessListArgs(teams=s.teams, roles=team_access.roles, admin_role_arn=team_access.admin_role_arn),
)
tracking_server = TrackingServer(
    "tracking-server",
    TrackingServerArgs(
        image=image.reference,
        region=s.region,
        site=network.tasks,
        cpu=s.task_cpu,
        memory=s.task_memory,
        min_tasks=s.min_tasks,
        max_tasks=s.max_tasks,
        log_days=s.log_days,
        access_list=access_list.path,
        bucket=artifact_store.bucket,
        database=backend_store.connection,
        entrance=front_door.entrance,
        callers={"front-door": front_door.security_group_id},
        calls={"backend-store": backend_store.doorway},
        task_grants={
            "artifacts": artifact_store.reading,
            "database-login": backend_store.login,
            "access-list": access_list.reading,
        },
        execution_grants={"image": image.pulling, "master-secret": backend_store.master_secret_reading},
        after=[network, front_door, access_list],
    ),
)
migration = Migration(
    "migration",
    MigrationArgs(
        image=image.reference,
        region=s.region,
        log_group=tracking_server.log_group,
        log_group_arn=tracking_server.log_group_arn,
        database=backend_store.connection,
        task_grants={"database-login": backend_store.login},
        execution_grants={"image": image.pulling},
    ),
)
restore_check = RestoreCheck(
    "restore-check",
    RestoreCheckArgs(
        image=image.reference,
        region=s.region,
        site=network.tasks,
        cluster=tracking_server.cluster,
        log_days=s.log_days,
        bucket=artifact_store.bucket,
        database=backend_store.connection,
        instance=backend_store.identifier,
        calls={"backend-store": backend_store.doorway},
        task_grants={
            "artifacts": artifact_store.comparing,
            "live-database": backend_store.reading_login,
        },
        execution_grants={"image": image.pulling},
    ),
)

pulumi.export("trackingUri", front_door.uri)
pulumi.export("region", s.region)
pulumi.export("artifactBucket", artifact_store.bucket)
pulumi.export("image", image.reference)
pulumi.export("teams", team_access.teams)
pulumi.export("restoreDrill", restore_check.names)
pulumi.export(
    "upgrade",
    {
        "cluster": tracking_server.cluster,
        "service": tracking_server.service,
        "network": tracking_server.network,
        "database": backend_store.identifier,
        "migration": migration.task_definition,
        "logGroup": tracking_server.log_group,
        "held": tracking_server.held,
    },
)
if team_access.admin_role_arn is not None:
    pulumi.export("adminRoleArn", team_access.admin_role_arn)
