"""The backend store: the Postgres database of experiments, runs, parameters and metrics."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from documents import rendered
from doorway import Doorway
from network import Site
from policies import log_in_to_database, read_secret

# A change of one of these three replaces the database, and what is in it stays behind in the final snapshot.
ENGINE = "postgres"
DATABASE = "mlflow"
MASTER_USER = "mlflow_admin"
IDENTITY = hashlib.sha256(f"{ENGINE}/{DATABASE}/{MASTER_USER}".encode()).hexdigest()[:7]

SERVER_USER = "mlflow"  # made by the `prepare` container, logs in with IAM tokens
READING_USER = "mlflow_reader"  # made there, too; tracking_server/database_user.py gives it the name
MAJOR_VERSION = "16"
STORAGE_GROWTH = 5  # times the first storage, at most
EXPORTED_LOGS = ("postgresql", "upgrade")
BACKUP_WINDOW = "03:00-04:00"  # UTC
MAINTENANCE_WINDOW = "sun:04:30-sun:05:30"  # UTC


@dataclass(frozen=True, kw_only=True)
class BackendStoreArgs:
    """What the backend store is made from.

    Attributes:
        site: where it stands.
        instance_class: RDS instance class.
        storage: GiB at first.
        port: TCP port.
        multi_az: whether a standby waits in the other zone.
        backup_days: how far back it can be restored.
        log_days: how long exported logs are kept.
        disposable: destroying the stack deletes the database without a last snapshot.
    """

    site: Site
    instance_class: str
    storage: int
    port: int
    multi_az: bool
    backup_days: int
    log_days: int
    disposable: bool


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How to connect to the backend store.

    Attributes:
        host: host name.
        port: TCP port.
        name: the database.
        user: the server's own user, who logs in with IAM tokens.
        master_secret_arn: where RDS keeps the master user's name and password.
    """

    host: pulumi.Input[str]
    port: int
    name: str
    user: str
    master_secret_arn: pulumi.Input[str]


class BackendStore(pulumi.ComponentResource):
    """A private, encrypted RDS Postgres instance that takes TLS connections only.

    Creates its subnet group, parameter group, security group, log groups and the instance; RDS makes and
    keeps the master password.

    Attributes:
        connection: how to connect.
        identifier: the instance's name, as AWS's console and API show it.
        doorway: what a caller's security group must be let through.
        login: the IAM document of who may log in as the server's database user.
        reading_login: the IAM document of who may log in as the database user who only reads.
        master_secret_reading: the IAM document of who may read the master secret.
    """

    TYPE: ClassVar[str] = "mlflow-tracking:backend_store:BackendStore"

    connection: Connection
    identifier: pulumi.Output[str]
    doorway: Doorway
    login: pulumi.Output[str]
    reading_login: pulumi.Output[str]
    master_secret_reading: pulumi.Output[str]

    def __init__(self, name: str, args: BackendStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(self.TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._subnets = aws.rds.SubnetGroup(
            f"{name}-subnet-group", subnet_ids=args.site.subnet_ids, opts=self._child
        )
        self._security_group = aws.ec2.SecurityGroup(
            f"{name}-security-group",
            description="Backend store: Postgres, from the tracking server only",
            vpc_id=args.site.vpc_id,
            opts=self._child,
        )
        self.identifier = self._subnets.name.apply(instance_identifier)
        instance = self._instance(self._parameters(), self._log_groups())

        secret = instance.master_user_secrets[0].secret_arn
        self.connection = Connection(
            host=instance.address, port=args.port, name=DATABASE, user=SERVER_USER, master_secret_arn=secret
        )
        self.doorway = Doorway(security_group_id=self._security_group.id, port=args.port)
        self.login = rendered(log_in_to_database, instance.arn, instance.resource_id, SERVER_USER)
        self.reading_login = rendered(log_in_to_database, instance.arn, instance.resource_id, READING_USER)
        self.master_secret_reading = rendered(read_secret, secret)
        self.register_outputs({"host": instance.address})

    def _parameters(self) -> aws.rds.ParameterGroup:
        return aws.rds.ParameterGroup(
            f"{self._name}-parameter-group",
            family=f"{ENGINE}{MAJOR_VERSION}",
            parameters=[{"name": "rds.force_ssl", "value": "1", "apply_method": "pending-reboot"}],
            opts=self._child,
        )

    def _log_groups(self) -> list[pulumi.Resource]:
        """Make the log groups before RDS does, which would keep them for ever."""
        return [
            aws.cloudwatch.LogGroup(
                f"{self._name}-{log}-log",
                name=pulumi.Output.concat("/aws/rds/instance/", self.identifier, "/", log),
                retention_in_days=self._args.log_days,
                opts=self._child,
            )
            for log in EXPORTED_LOGS
        ]

    def _instance(
        self, parameters: aws.rds.ParameterGroup, log_groups: list[pulumi.Resource]
    ) -> aws.rds.Instance:
        args = self._args
        # A change of this logical name replaces the database.
        return aws.rds.Instance(
            f"{self._name}-instance",
            identifier=self.identifier,
            engine=ENGINE,
            engine_version=MAJOR_VERSION,
            auto_minor_version_upgrade=True,
            instance_class=args.instance_class,
            multi_az=args.multi_az,
            allocated_storage=args.storage,
            max_allocated_storage=args.storage * STORAGE_GROWTH,
            storage_type="gp3",
            storage_encrypted=True,
            db_name=DATABASE,
            username=MASTER_USER,
            manage_master_user_password=True,
            iam_database_authentication_enabled=True,
            port=args.port,
            db_subnet_group_name=self._subnets.name,
            vpc_security_group_ids=[self._security_group.id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            backup_retention_period=args.backup_days,
            backup_window=BACKUP_WINDOW,
            maintenance_window=MAINTENANCE_WINDOW,
            copy_tags_to_snapshot=True,
            enabled_cloudwatch_logs_exports=list(EXPORTED_LOGS),
            deletion_protection=not args.disposable,
            delete_automated_backups=args.disposable,
            skip_final_snapshot=args.disposable,
            final_snapshot_identifier=(
                None if args.disposable else pulumi.Output.concat(self.identifier, "-final")
            ),
            # AWS refuses to delete it too, but only when all that stands before it is gone.
            opts=pulumi.ResourceOptions(parent=self, depends_on=log_groups, protect=not args.disposable),
        )


def instance_identifier(subnet_group: str) -> str:
    """Name the instance after its subnet group, whose name is new each time a stack is made.

    A final snapshot's name must never have been used, and logs need the instance's name before it exists. The
    digest sets a replacing instance, in the same subnet group, apart from the one it replaces.
    """
    return f"{subnet_group.replace('-subnet-group', '')}-{IDENTITY}"
