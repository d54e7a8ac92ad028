import json
from typing import Any

import pytest

from config_reader import ConfigReader
from faults import Fault, WrongSettingsError
from settings import Settings, read_settings
from teams import Team

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/mine"
ELSEWHERE = "arn:aws:acm:us-east-1:111122223333:certificate/mine"

TOLD = """\
teams.api: received "api"; allowed: 2 to 32 of a-z, 0-9 and -, from a letter to no -; \
not ajax-api, api, default, static-files, workspaces
    pulumi config rm --path 'teams.api'
teams.api.writers[0]: received "*"; allowed: the ARN of an IAM role or user, \
arn:aws:iam::<account>:root or a 12-digit account id in quotes; never *
    pulumi config set --path 'teams.api.writers[0]' arn:aws:iam::111122223333:role/data-science
taskCpu: received "300"; allowed: 256, 512, 1024, 2048, 4096, 8192 or 16384 (1024 is one vCPU)
    pulumi config set taskCpu 1024
egress: received "vpn"; allowed: nat or public-ip
    pulumi config set egress nat"""


def faults(config: dict[str, str], **changes: Any) -> list[Fault]:
    """Return the faults of a sound config after changes; None takes a key away."""
    changed = {**config, **{key.replace("aws_region", "aws:region"): value for key, value in changes.items()}}
    with pytest.raises(WrongSettingsError) as failure:
        read_settings(ConfigReader({key: value for key, value in changed.items() if value is not None}))
    return failure.value.faults


def test_sound_config_is_read_whole(text_config: dict[str, str]) -> None:
    settings = read_settings(ConfigReader(text_config))
    assert settings == Settings(
        region="eu-west-1",
        image="111122223333.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking:1",
        base_image="",
        teams={
            "speech": Team(writers=("arn:aws:iam::111122223333:role/vision",), readers=()),
            "vision": Team(writers=("arn:aws:iam::111122223333:role/vision",), readers=("444455556666",)),
        },
        admins=(),
        task_cpu=1024,
        task_memory=2048,
        min_tasks=1,
        max_tasks=2,
        domain="mlflow.example.com",
        hosted_zone_id="Z0123456789",
        certificate_arn="",
        public=False,
        allowed_cidrs=(),
        vpc_cidr="10.42.0.0/16",
        egress="nat",
        database_class="db.t4g.micro",
        database_storage=20,
        database_port=5432,
        multi_az=False,
        backup_days=7,
        log_days=30,
        disposable=False,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"image": ""},
        {"image": "", "baseImage": "registry.example.com/python:3.12.12-slim-bookworm"},
        {"image": "", "baseImage": f"python:3.12-slim@sha256:{'0' * 64}"},
        {"image": "registry:5000/team/server:v1.2-rc.3"},
        {"image": f"registry.example.com/team/server:1@sha256:{'0' * 64}"},
        {"image": f"ghcr.io/team/server@sha256:{'0' * 64}"},
        {"aws_region": "us-gov-west-1"},
        {"domain": "localhost"},
        {"hostedZoneId": "", "certificateArn": CERTIFICATE},
        {"certificateArn": CERTIFICATE},
        {"public": "true"},
        {"public": "true", "allowedCidrs": '["192.0.2.0/24"]'},
        {"admins": '["arn:aws:iam::111122223333:role/platform", 444455556666]'},
        {"allowedCidrs": '["10.8.0.0/16", "192.0.2.0/24"]'},
        {"egress": "public-ip"},
        {"vpcCidr": "192.168.7.0/24"},
        {"taskCpu": "256", "taskMemory": "512"},
        {"taskCpu": "16384", "taskMemory": "122880"},
        {"minTasks": "2", "maxTasks": "2"},
        {"maxTasks": "4", "databaseClass": "db.t4g.small"},
        {"maxTasks": "100", "databaseClass": "db.m7g.4xlarge"},
        {"databasePort": "65535"},
        {"backupDays": "35"},
        {"logDays": "3653"},
    ],
)
def test_other_sound_values_are_taken(text_config: dict[str, str], changes: dict[str, str]) -> None:
    given = {key.replace("aws_region", "aws:region"): value for key, value in changes.items()}
    assert read_settings(ConfigReader({**text_config, **given}))


@pytest.mark.parametrize(
    ("key", "value", "allowed", "command"),
    [
        ("aws_region", None, "an AWS region", "set aws:region eu-west-1"),
        ("aws_region", "Ireland", "an AWS region", "set aws:region eu-west-1"),
        ("image", None, "not latest", "set image 1111"),
        ("image", "server:latest", "not latest", "set image 1111"),
        ("image", "https://registry/server:1", "<registry>/<name>:<tag>", "set image 1111"),
        ("image", "team//server:1", "<registry>/<name>:<tag>", "set image 1111"),
        ("image", "server:1:2", "<registry>/<name>:<tag>", "set image 1111"),
        ("image", "server", "<registry>/<name>:<tag>", "set image 1111"),
        ("image", "registry:5000/server", "<registry>/<name>:<tag>", "set image 1111"),
        ("image", "server@sha256:12", "@sha256:<digest>", "set image 1111"),
        ("baseImage", "python:3.12", "nothing with image, which is not built", "rm baseImage"),
        ("baseImage", "python", "<name>:<tag>", "set baseImage registry.example.com/python:3"),
        ("baseImage", "python:latest", "not latest", "set baseImage registry.example.com/python:3"),
        ("taskCpu", "300", "256, 512, 1024, 2048, 4096, 8192 or 16384", "set taskCpu 1024"),
        (
            "taskMemory",
            "3000",
            "taskCpu 1024: 2048, 3072, 4096, 5120, 6144, 7168 or 8192",
            "set taskMemory 2048",
        ),
        ("taskMemory", "0", "MiB", "set taskMemory 2048"),
        ("minTasks", "0", "1 to 100", "set minTasks 1"),
        ("maxTasks", "101", "minTasks to 100", "set maxTasks 2"),
        ("minTasks", "5", "minTasks (5) to 100", "set maxTasks 5"),
        ("admins", "*", "a list", "rm --path 'admins' && pulumi config set --path 'admins[0]' arn:aws:iam::"),
        ("admins", '["*"]', "never *", "set --path 'admins[0]' arn:aws:iam::"),
        ("domain", "", "a host name", "set domain mlflow.example.com"),
        ("domain", None, "a host name", "set domain mlflow.example.com"),
        ("domain", "https://mlflow.example.com", "without https:// or port", "set domain mlflow.example.com"),
        ("domain", "mlflow.example.com:8443", "without https:// or port", "set domain mlflow.example.com"),
        ("domain", "*.example.com", "a host name", "set domain mlflow.example.com"),
        ("hostedZoneId", "", "certificateArn", "set hostedZoneId Z"),
        ("hostedZoneId", "/hostedzone/Z1", "the id of a Route 53 zone", "set hostedZoneId Z"),
        ("certificateArn", "mine", "the ARN of an ACM certificate", "set certificateArn arn:aws:acm:"),
        (
            "certificateArn",
            ELSEWHERE,
            "a certificate in eu-west-1",
            "set certificateArn arn:aws:acm:eu-west-1:",
        ),
        ("plainHttp", "true", "only the keys that Pulumi.yaml describes", "rm plainHttp"),
        ("public", "no", "false or true", "set public false"),
        (
            "allowedCidrs",
            "10.8.0.0/16",
            "a list",
            "rm --path 'allowedCidrs' && pulumi config set --path 'allowedCidrs[0]' 10.8.0.0/16",
        ),
        ("allowedCidrs", '["0.0.0.0/0"]', "no larger than /8", "set --path 'allowedCidrs[0]' 10.8.0.0/16"),
        ("allowedCidrs", '["10.8.0.1/16"]', "an IPv4 network", "set --path 'allowedCidrs[0]' 10.8.0.0/16"),
        ("allowedCidrs", '["10.8.0.0"]', "an IPv4 network", "set --path 'allowedCidrs[0]' 10.8.0.0/16"),
        ("allowedCidrs", '["10.8.0.0/255.255.0.0"]', "an IPv4", "set --path 'allowedCidrs[0]' 10.8.0.0/16"),
        ("allowedCidrs", "[10]", "an IPv4 network", "set --path 'allowedCidrs[0]' 10.8.0.0/16"),
        (
            "allowedCidrs",
            '["10.8.0.0/16", "10.8.0.0/16"]',
            "once",
            "rm --path 'allowedCidrs[1]'",
        ),
        ("allowedCidrs", '["10.42.0.0/16"]', "besides vpcCidr", "rm --path 'allowedCidrs[0]'"),
        ("vpcCidr", "10.42.0.0/8", "/16 to /24 within 10.0.0.0/8", "set vpcCidr 10.42.0.0/16"),
        ("vpcCidr", "8.8.0.0/16", "192.168.0.0/16", "set vpcCidr 10.42.0.0/16"),
        ("vpcCidr", "10.42.0.0/255.255.0.0", "/16 to /24", "set vpcCidr 10.42.0.0/16"),
        ("egress", "vpn", "nat or public-ip", "set egress nat"),
        ("databaseClass", "t4g.micro", "an RDS instance class of t3, t4g,", "set databaseClass db.t4g.micro"),
        (
            "databaseClass",
            "db.m5.nano",
            "an RDS instance class of t3, t4g,",
            "set databaseClass db.t4g.micro",
        ),
        ("databaseStorage", "19", "20 to 13107 GiB", "set databaseStorage 20"),
        ("databaseStorage", "-20", "20 to 13107 GiB", "set databaseStorage 20"),
        ("databasePort", "80", "1150 to 65535", "set databasePort 5432"),
        ("multiAz", "1", "false or true", "set multiAz false"),
        ("backupDays", "0", "1 to 35", "set backupDays 7"),
        ("backupDays", "36", "1 to 35", "set backupDays 7"),
        ("logDays", "31", "1, 3, 5, 7, 14, 30,", "set logDays 30"),
        ("disposable", "", "false or true", "set disposable false"),
        ("egres", "nat", "did you mean egress?", "rm egres"),
        ("zzz", "1", "only the keys that Pulumi.yaml describes", "rm zzz"),
    ],
)
def test_each_rule_says_what_is_allowed_and_what_mends_it(
    text_config: dict[str, str], key: str, value: str | None, allowed: str, command: str
) -> None:
    (fault,) = faults(text_config, **{key: value})
    assert fault.key in command
    assert allowed in fault.allowed
    assert fault.command.startswith(f"pulumi config {command}")
    assert "null" not in fault.received


def test_received_value_is_shown_as_it_came(text_config: dict[str, str]) -> None:
    assert faults(text_config, image=None)[0].received == "nothing"
    assert faults(text_config, egress="vpn")[0].received == '"vpn"'
    assert faults(text_config, allowedCidrs="[10]")[0].received == "10"


def test_no_secret_is_shown_and_no_unknown_keys_value(text_config: dict[str, str]) -> None:
    broken = {**text_config, "egress": "hunter1", "allowedCidrs": '["hunter2"]', "image.password": "hunter3"}
    with pytest.raises(WrongSettingsError) as failure:
        read_settings(ConfigReader(broken, {"egress", "allowedCidrs"}))
    assert {fault.key: fault.received for fault in failure.value.faults} == {
        "egress": "[secret]",
        "allowedCidrs[0]": "[secret]",
        "image.password": "[secret]",
    }
    assert "hunter" not in str(failure.value)


def test_missing_keys_are_all_named_when_nothing_is_set() -> None:
    found = {fault.key: fault.received for fault in faults({})}
    assert set(found.values()) == {"nothing"}
    assert {"aws:region", "image", "teams", "taskCpu", "vpcCidr", "disposable", "public"} <= set(found)


def test_every_fault_is_told_at_once(text_config: dict[str, str]) -> None:
    broken = {
        **text_config,
        "taskCpu": "300",
        "egress": "vpn",
        "teams": json.dumps({"api": {"writers": ["*"]}}),
    }
    with pytest.raises(WrongSettingsError) as failure:
        read_settings(ConfigReader(broken))
    assert str(failure.value) == TOLD
