"""The settings of a stack: read once, checked whole, and never changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi.runtime

import address_plan
import connections
from config_reader import ConfigReader, words
from faults import WrongSettingsError, ending_with_faults
from hosted_zone import check_zone
from principals import read_principals
from sizes import DATABASE_FAMILIES, DATABASE_MEMORY, FARGATE_MEMORY, LOG_RETENTION_DAYS
from teams import Team, read_teams

REGION = "aws:region"
TASKS = range(1, 101)
DATABASE_PORTS = range(1150, 65536)  # RDS takes no other port for Postgres
DATABASE_STORAGE = range(20, 13_108)  # GiB; RDS ends at 65536, to which it grows five times
BACKUP_DAYS = range(1, 36)
WIDEST_CALLERS = 8  # prefix length of the largest network that may reach the front door
LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
DOMAIN = rf"(?=.{{0,253}}$){LABEL}(\.{LABEL})*"
# https://github.com/distribution/reference: [host[:port]/]path with a tag, a digest, or both.
PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
TAG, DIGEST = r":\w[\w.-]{0,127}", r"@sha256:[0-9a-f]{64}"
IMAGE = rf"(?!.*:latest$)(({PART}:\d+/)?{PART}(/{PART})*({TAG}|({TAG})?{DIGEST}))?"
CERTIFICATE = r"(arn:aws(-[a-z-]+)?:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+)?"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stack's settings; Pulumi.yaml describes each under the same name in camel case, with its default."""

    region: str
    image: str
    base_image: str
    teams: Mapping[str, Team]
    admins: tuple[str, ...]
    task_cpu: int
    task_memory: int
    min_tasks: int
    max_tasks: int
    domain: str
    hosted_zone_id: str
    certificate_arn: str
    public: bool
    allowed_cidrs: tuple[str, ...]
    vpc_cidr: str
    egress: str
    database_class: str
    database_storage: int
    database_port: int
    multi_az: bool
    backup_days: int
    log_days: int
    disposable: bool


def settings_of_stack() -> Settings:
    """Return the stack's settings; if any is wrong, print every fault and end the program with code 2."""
    # The CLI's own check runs before this: it stops at the first key that is not of Pulumi.yaml's `type`.
    own = f"{pulumi.get_project()}:"
    everything = pulumi.runtime.get_config_env()
    secrets = {key.removeprefix(own) for key in pulumi.runtime.get_config_secret_keys_env()}
    config = {key.removeprefix(own): value for key, value in everything.items() if key.startswith(own)}
    if REGION in everything:
        config[REGION] = everything[REGION]
    with ending_with_faults():
        settings = read_settings(ConfigReader(config, secrets))
        if settings.hosted_zone_id:
            check_zone(
                settings.hosted_zone_id, settings.domain, proves_certificate=not settings.certificate_arn
            )
    return settings


def read_settings(config: ConfigReader) -> Settings:
    """Return the settings that the config holds.

    Raises:
        WrongSettingsError: with every fault.
    """
    settings = Settings(
        region=config.text(REGION, r"[a-z]{2}(-[a-z]+)+-\d", allowed="an AWS region", example="eu-west-1"),
        image=config.text(
            "image",
            IMAGE,
            allowed="<registry>/<name>:<tag> or @sha256:<digest>; not latest, which hides changes from ECS",
            example="111122223333.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking:1",
        ),
        base_image=config.text(
            "baseImage",
            IMAGE,
            allowed="<name>:<tag> or @sha256:<digest>; not latest, whose changes would not be seen",
            example="registry.example.com/python:3.12.12-slim-bookworm",
        ),
        teams=read_teams(config),
        admins=read_principals(config, "admins", config.structure("admins"), at_least=0),
        task_cpu=config.number(
            "taskCpu", FARGATE_MEMORY, allowed=f"{words(FARGATE_MEMORY)} (1024 is one vCPU)", example=1024
        ),
        task_memory=config.number(
            "taskMemory", range(512, 122_881), allowed="MiB that Fargate offers for taskCpu", example=2048
        ),
        min_tasks=config.number("minTasks", TASKS, allowed="1 to 100", example=1),
        max_tasks=config.number("maxTasks", TASKS, allowed="minTasks to 100", example=2),
        domain=config.text(
            "domain",
            DOMAIN,
            allowed="a host name, without https:// or port: tokens and the certificate are for it",
            example="mlflow.example.com",
        ).lower(),  # MLflow compares host names letter by letter
        hosted_zone_id=config.text(
            "hostedZoneId",
            r"(Z[A-Z0-9]+)?",
            allowed="the id of a Route 53 zone, Z...",
            example="Z0123456789ABCDEFGHIJ",
        ),
        certificate_arn=config.text(
            "certificateArn",
            CERTIFICATE,
            allowed="the ARN of an ACM certificate",
            example="arn:aws:acm:eu-west-1:111122223333:certificate/ID",
        ),
        public=config.flag("public"),
        allowed_cidrs=config.listed(
            "allowedCidrs",
            _check_callers,
            allowed=f"an IPv4 network such as 10.8.0.0/16, no larger than /{WIDEST_CALLERS}",
            example="10.8.0.0/16",
        ),
        vpc_cidr=config.checked(
            "vpcCidr",
            address_plan.plan,
            allowed=f"/{address_plan.LARGEST_VPC} to /{address_plan.SMALLEST_VPC} within"
            f" {words(address_plan.PRIVATE_RANGES)}",
            example="10.42.0.0/16",
        ),
        egress=config.choice("egress", ("nat", "public-ip")),
        database_class=config.text(
            "databaseClass",
            "|".join(map(re.escape, DATABASE_MEMORY)),
            allowed=f"an RDS instance class of {words(DATABASE_FAMILIES)}, db.<family>.<size>",
            example="db.t4g.micro",
        ),
        database_storage=config.number(
            "databaseStorage", DATABASE_STORAGE, allowed="20 to 13107 GiB", example=20
        ),
        database_port=config.number("databasePort", DATABASE_PORTS, allowed="1150 to 65535", example=5432),
        multi_az=config.flag("multiAz"),
        backup_days=config.number("backupDays", BACKUP_DAYS, allowed="1 to 35", example=7),
        log_days=config.number(
            "logDays",
            LOG_RETENTION_DAYS,
            allowed=f"what CloudWatch takes: {words(LOG_RETENTION_DAYS)}",
            example=30,
        ),
        disposable=config.flag("disposable"),
    )
    _check_image(config, settings)
    _check_sizes(config, settings)
    _check_entrance(config, settings)
    config.refuse_unread_keys()
    if config.faults:
        raise WrongSettingsError(config.faults)
    return settings


def _check_image(config: ConfigReader, settings: Settings) -> None:
    if settings.image and settings.base_image:
        config.refuse(
            "baseImage",
            settings.base_image,
            allowed="nothing with image, which is not built",
            command="rm baseImage",
        )


def _check_sizes(config: ConfigReader, settings: Settings) -> None:
    offered = FARGATE_MEMORY.get(settings.task_cpu, ())
    if config.sound("taskCpu", "taskMemory") and settings.task_memory not in offered:
        config.refuse_value(
            "taskMemory",
            allowed=f"what Fargate offers for taskCpu {settings.task_cpu}: {words(offered)} (MiB)",
            example=offered[0],
        )
    if config.sound("minTasks", "maxTasks") and settings.max_tasks < settings.min_tasks:
        config.refuse_value(
            "maxTasks", allowed=f"minTasks ({settings.min_tasks}) to 100", example=settings.min_tasks
        )
    if config.sound("maxTasks", "databaseClass"):
        _check_connections(config, settings.max_tasks, settings.database_class)


def _check_connections(config: ConfigReader, tasks: int, instance_class: str) -> None:
    most = connections.most_tasks(instance_class)
    if tasks > most:
        config.refuse(
            "maxTasks",
            tasks,
            allowed=f"1 to {most} on databaseClass {instance_class}, or a larger one: it takes some"
            f" {connections.taken_by(instance_class)} connections, and {tasks} tasks need"
            f" {connections.needed_by(tasks)}: {connections.PER_TASK} each, twice as many tasks during a"
            f" deployment, and {connections.RESERVED} in reserve",
            command=f"set databaseClass {connections.class_for(tasks, instance_class)}",
        )


def _check_entrance(config: ConfigReader, settings: Settings) -> None:
    if settings.vpc_cidr in settings.allowed_cidrs:
        place = settings.allowed_cidrs.index(settings.vpc_cidr)
        config.refuse(
            f"allowedCidrs[{place}]",
            settings.vpc_cidr,
            allowed="networks besides vpcCidr, which is let in anyway",
            command=f"rm --path 'allowedCidrs[{place}]'",
        )
    if config.sound("certificateArn", "hostedZoneId") and not (
        settings.certificate_arn or settings.hosted_zone_id
    ):
        config.refuse_value(
            "hostedZoneId",
            allowed="the domain's zone or a certificateArn, for TLS",
            example="Z0123456789ABCDEFGHIJ",
        )
    if (
        settings.certificate_arn
        and config.sound(REGION)
        and f":{settings.region}:" not in settings.certificate_arn
    ):
        config.refuse_value(
            "certificateArn",
            allowed=f"a certificate in {settings.region}, where the load balancer stands",
            example=f"arn:aws:acm:{settings.region}:111122223333:certificate/ID",
        )


def _check_callers(cidr: str) -> None:
    if address_plan.network(cidr).prefixlen < WIDEST_CALLERS:
        raise ValueError(cidr)
