"""What must be so before a restore drill begins: the live database, the quota, the role, the rights."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from drill.instance import NO_LONGER_THERE, RestoredInstance, copies_of
from drill.login import RestoredLogin
from drill.names import DrillNames
from identity import DENIED

ECS_TASKS = "ecs-tasks.amazonaws.com"
SIMULATE = "iam:SimulatePrincipalPolicy"


def rights(names: DrillNames, live: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return all that a drill calls: the actions, by the resource they are about.

    Which those are is in https://docs.aws.amazon.com/service-authorization/latest/reference/.

    Args:
        names: what the stack says of itself.
        live: the live instance, as RDS describes it.
    """
    groups = [
        f"subgrp:{live['DBSubnetGroup']['DBSubnetGroupName']}",
        *(f"pg:{group['DBParameterGroupName']}" for group in live["DBParameterGroups"]),
        *(f"og:{group['OptionGroupName']}" for group in live["OptionGroupMemberships"]),
    ]
    restored_from = [f"db:{names.instance}", *groups]
    copies = names.arn("rds", f"db:{copies_of(names.instance)}*")
    cluster = names.cluster.rsplit("/", 1)[1]
    return {
        "*": ("rds:DescribeAccountAttributes", "ecs:DescribeTaskDefinition", "ecs:ListTasks"),
        names.arn("rds", "db:*"): ("rds:DescribeDBInstances",),
        **{names.arn("rds", one): ("rds:RestoreDBInstanceToPointInTime",) for one in restored_from},
        copies: ("rds:RestoreDBInstanceToPointInTime", "rds:AddTagsToResource", "rds:DeleteDBInstance"),
        names.task_definition: ("ecs:RunTask",),
        names.arn("ecs", f"task/{cluster}/*"): ("ecs:DescribeTasks", "ecs:StopTask", "ecs:TagResource"),
        names.task_role_arn: (
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:PassRole",
        ),
        names.execution_role_arn: ("iam:PassRole",),
        names.arn("logs", f"log-group:{names.log_group}:log-stream:*"): ("logs:GetLogEvents",),
    }


def preflight_faults(
    session: boto3.Session, names: DrillNames, caller: str, say: Callable[[str], None]
) -> list[str]:
    """Return a sentence for each thing that would stop a drill; nothing is changed.

    Args:
        session: the caller's.
        names: what the stack says of itself.
        caller: the caller's ARN, as STS tells it.
        say: told what could not be looked at.
    """
    account = caller.split(":")[4]
    if account != names.account:
        return [f"{caller} is of account {account}, the stack of {names.account}: choose with --profile"]
    instances = RestoredInstance(session.client("rds"), names, say)
    try:
        live = instances.live()
    except ClientError as error:
        if error.response["Error"]["Code"] != NO_LONGER_THERE:
            return [f"the database could not be looked at: {error}"]
        return [f"there is no RDS instance {names.instance} in {names.region}: pulumi stack output --json"]
    checks: Mapping[str, Callable[[], Iterator[str]]] = {
        "the quota of databases": lambda: _quota(session, instances, live),
        "the drill's role": lambda: _role(session, names),
        "the task definition": lambda: _task_definition(session, names),
        "your rights": lambda: _rights(session, rights(names, live), caller, say),
    }
    faults = [*_database(live)]
    for what, check in checks.items():
        try:
            faults += list(check())
        except ClientError as error:
            faults.append(f"{what} could not be looked at: {error}")
    return faults


def _database(live: Mapping[str, Any]) -> Iterator[str]:
    name = live["DBInstanceIdentifier"]
    if live["DBInstanceStatus"] != "available":
        yield f"{name} is {live['DBInstanceStatus']}, not available: wait until it is"
    if not live["BackupRetentionPeriod"] or "LatestRestorableTime" not in live:
        yield (
            f"{name} keeps no backups to restore from: "
            "pulumi config set mlflow-tracking:backupDays 7 && pulumi up"
        )
    if not live["IAMDatabaseAuthenticationEnabled"]:
        yield f"{name} takes no logins by token: pulumi up"


def _quota(session: boto3.Session, instances: RestoredInstance, live: Mapping[str, Any]) -> Iterator[str]:
    answer = session.client("rds").describe_account_attributes()["AccountQuotas"]
    quotas = {quota["AccountQuotaName"]: quota for quota in answer}
    leftovers = instances.leftovers()
    storage = sum(instance["AllocatedStorage"] for instance in leftovers)
    # Leftovers go first, and a copy is as large as what it is of.
    needs = {
        "DBInstances": (1 - len(leftovers), "instances"),
        "AllocatedStorage": (live["AllocatedStorage"] - storage, "GiB of storage"),
    }
    for name, (more, what) in needs.items():
        quota = quotas.get(name)
        if quota is not None and quota["Used"] + more > quota["Max"]:
            yield (
                f"RDS has {quota['Used']} of at most {quota['Max']} {what} in this account and region, and "
                f"the drill needs {more} more: raise the quota in Service Quotas, or delete what nobody needs"
            )


def _role(session: boto3.Session, names: DrillNames) -> Iterator[str]:
    if fault := RestoredLogin(session.client("iam"), names).fault():
        yield fault


def _task_definition(session: boto3.Session, names: DrillNames) -> Iterator[str]:
    answer = session.client("ecs").describe_task_definition(taskDefinition=names.task_definition)
    if answer["taskDefinition"]["status"] != "ACTIVE":
        yield f"{names.task_definition} is no longer active: pulumi stack output --json > outputs.json"


def _rights(
    session: boto3.Session,
    needed: Mapping[str, tuple[str, ...]],
    caller: str,
    say: Callable[[str], None],
) -> Iterator[str]:
    if caller.endswith(":root"):
        return
    iam = session.client("iam")
    try:
        principal = _principal(iam, caller)
        for resource, actions in needed.items():
            answer = iam.simulate_principal_policy(
                PolicySourceArn=principal,
                ActionNames=list(actions),
                ResourceArns=[resource],
                ContextEntries=[
                    {
                        "ContextKeyName": "iam:PassedToService",
                        "ContextKeyValues": [ECS_TASKS],
                        "ContextKeyType": "string",
                    }
                ],
            )
            for result in answer["EvaluationResults"]:
                if result["EvalDecision"] != "allowed":
                    yield f"{principal} may not {result['EvalActionName']} on {resource}"
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        say(f"your rights are not looked at: that takes {SIMULATE} and iam:GetRole")


def _principal(iam: Any, caller: str) -> str:
    """Return the ARN whose policies count: a session's role, whose path its own ARN does not tell."""
    if ":assumed-role/" not in caller:
        return caller
    return str(iam.get_role(RoleName=caller.split("/")[1])["Role"]["Arn"])
