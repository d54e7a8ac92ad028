"""The containers of the tasks: of the service, of the migration, of the restore drill."""

from typing import Any

CONTAINER = "tracking-server"
DRILL = "restore-drill"
MIGRATION = "migration"
PORT = 5000
SCRATCH = "tmp"  # the volume; the one place that a container may write to
USER = "10001:10001"  # the image's own user and group
LOG_STREAMS = "task"  # streams are named task/<container>/<task id>
PREPARE_SECONDS = 120  # Fargate waits no longer for a container that another one depends on
STOP_SECONDS = 60  # to answer what is under way after SIGTERM
HEALTH_INTERVAL_SECONDS = 15
HEALTH_TIMEOUT_SECONDS = 5
HEALTH_RETRIES = 3
HEALTH_START_SECONDS = 120  # MLflow's first answer took 54 s at worst on two shared cores


def container_definitions(
    *,
    image: str,
    region: str,
    log_group: str,
    bucket: str,
    database_host: str,
    database_port: int,
    database: str,
    database_user: str,
    master_secret_arn: str,
    access_list: str,
    server_id: str,
    hosts: str,
    origins: str,
) -> list[dict[str, Any]]:
    """Return the task definition's containers, as ECS takes them.

    The master user's name and password go to `prepare` only, by reference.
    """
    shared = {
        **_shared(
            region=region,
            bucket=bucket,
            host=database_host,
            port=database_port,
            database=database,
            user=database_user,
        ),
        "ACCESS_LIST": access_list,
    }
    confined = _confined(image=image, region=region, log_group=log_group)
    prepare = {
        "name": "prepare",
        "essential": False,
        "command": ["python", "-m", "tracking_server.prepare"],
        "startTimeout": PREPARE_SECONDS,
        "environment": _environment(shared),
        "secrets": [
            {"name": "DATABASE_MASTER_USERNAME", "valueFrom": f"{master_secret_arn}:username::"},
            {"name": "DATABASE_MASTER_PASSWORD", "valueFrom": f"{master_secret_arn}:password::"},
        ],
    }
    named = {
        "SERVER_ID": server_id,
        "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": origins,
    }
    server = {
        "name": CONTAINER,
        "essential": True,
        "command": ["python", "-m", "tracking_server"],
        "dependsOn": [{"containerName": "prepare", "condition": "SUCCESS"}],
        "environment": _environment({**shared, **named}),
        "portMappings": [{"containerPort": PORT, "protocol": "tcp"}],
        "healthCheck": {
            "command": ["CMD", "python", "-m", "tracking_server.health"],
            "interval": HEALTH_INTERVAL_SECONDS,
            "timeout": HEALTH_TIMEOUT_SECONDS,
            "retries": HEALTH_RETRIES,
            "startPeriod": HEALTH_START_SECONDS,
        },
        "stopTimeout": STOP_SECONDS,
    }
    return [{**confined, **prepare}, {**confined, **server}]


def migration_definition(
    *,
    image: str,
    region: str,
    log_group: str,
    database_host: str,
    database_port: int,
    database: str,
    database_user: str,
) -> list[dict[str, Any]]:
    """Return the one container of the task that migrates the tables: it knows the database alone."""
    variables = _database(
        region=region, host=database_host, port=database_port, database=database, user=database_user
    )
    container = {
        "name": MIGRATION,
        "essential": True,
        "command": ["python", "-m", "tracking_server.migrate"],
        "environment": _environment(variables),
    }
    return [{**_confined(image=image, region=region, log_group=log_group), **container}]


def drill_definition(
    *,
    image: str,
    region: str,
    log_group: str,
    bucket: str,
    database_host: str,
    database_port: int,
    database: str,
    reading_user: str,
    restored_user: str,
    access_list: str,
) -> list[dict[str, Any]]:
    """Return the restore drill's one container; the drill says what else it is to do when it starts it."""
    variables = {
        **_shared(
            region=region,
            bucket=bucket,
            host=database_host,
            port=database_port,
            database=database,
            user=reading_user,
        ),
        "RESTORED_USER": restored_user,
        "ACCESS_LIST": access_list,
        # No name of the stack's: a login made for this server is worthless at that one.
        "SERVER_ID": DRILL,
        "MLFLOW_SERVER_ALLOWED_HOSTS": DRILL,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"https://{DRILL}",
    }
    container = {
        "name": DRILL,
        "essential": True,
        "command": ["python", "-m", "tracking_server.bound"],
        "environment": _environment(variables),
    }
    return [{**_confined(image=image, region=region, log_group=log_group), **container}]


def _shared(*, bucket: str, **database: Any) -> dict[str, str]:
    return {**_database(**database), "ARTIFACT_ROOT": f"s3://{bucket}"}


def _database(*, region: str, host: str, port: int, database: str, user: str) -> dict[str, str]:
    return {
        "AWS_REGION": region,
        "PGHOST": host,
        "PGPORT": str(port),
        "PGDATABASE": database,
        "PGUSER": user,
        "PGSSLMODE": "verify-full",
    }


def _confined(*, image: str, region: str, log_group: str) -> dict[str, Any]:
    """Return what holds for every container: no root, no capabilities, nothing writable but /tmp."""
    return {
        "image": image,
        "user": USER,
        "readonlyRootFilesystem": True,
        # ECS describes the empty list too: without it, each `pulumi up` would replace the task definition.
        "linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}},
        "mountPoints": [{"sourceVolume": SCRATCH, "containerPath": f"/{SCRATCH}", "readOnly": False}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": LOG_STREAMS,
            },
        },
    }


def _environment(variables: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(variables.items())]
