"""The emulator, with what it lacks: whom requests are about, a restore, a task's end, suspended scaling."""
# ruff: noqa: INP001, SLF001 - run as a file, in the emulator's own environment

import json
import urllib.parse
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.app import app as _app  # pyright: ignore[reportMissingImports]
from ministack.core import iam_actions  # pyright: ignore[reportMissingImports]
from ministack.services import ecs, rds  # pyright: ignore[reportMissingImports]

# Where the stand-in for RDS says how its databases are. On loopback, and nothing that rehearses calls it.
INSTANCES = "/_rehearsal/instances/"
# What of the original a copy inherits; what the request names wins.
INHERITED = (
    "Engine", "EngineVersion", "DBInstanceClass", "AllocatedStorage", "StorageType", "MasterUsername",
    "DBName",
)  # fmt: skip
RESTORE = {
    "Action", "Version", "SourceDBInstanceIdentifier", "TargetDBInstanceIdentifier", "RestoreTime",
    "DBInstanceClass", "DBSubnetGroupName", "DBParameterGroupName", "EnableIAMDatabaseAuthentication",
    "PubliclyAccessible", "DeletionProtection", "MultiAZ", "AutoMinorVersionUpgrade", "CopyTagsToSnapshot",
    "BackupRetentionPeriod", "Tags", "VpcSecurityGroupIds",
}  # fmt: skip
STOPPING = "STOPPING"
SCALING = "AnyScaleFrontendService."
SUSPENSION = {"ServiceNamespace", "ResourceId", "ScalableDimension", "SuspendedState"}
suspended: dict[str, dict[str, bool]] = {}
MOST_INSTANCES, MOST_GIB = 40, 100_000
_stop_at_once = ecs._stop_task
_of_every_other_request = iam_actions.extract_resource_arn


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer the stand-in for RDS and those who suspend scaling, hand everything else to the emulator."""
    if scope["type"] == "http" and (action := _scaling_action(scope)):
        await _answer_scaling(action, await _whole(receive), send)
        return
    if scope["type"] != "http" or not scope["path"].startswith(INSTANCES):
        await _app(scope, receive, send)
        return
    name = scope["path"].removeprefix(INSTANCES)
    found = [record for _, record in rds._instances.all_items() if record["DBInstanceIdentifier"] == name]
    if scope["method"] == "PUT" and found:
        found[0].update(json.loads((await receive())["body"]))
    body = json.dumps({"restored": found[0].get("_restored") if found else None}).encode()
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": []})
    await send({"type": "http.response.body", "body": body})


def _scaling_action(scope: Any) -> str:
    target = next((value.decode() for name, value in scope["headers"] if name == b"x-amz-target"), "")
    return target.removeprefix(SCALING) if target.startswith(SCALING) else ""


async def _whole(receive: Any) -> dict[str, Any]:
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part.get("body", b""), part.get("more_body", False)
    return dict(json.loads(body))


async def _answer_scaling(action: str, asked: dict[str, Any], send: Any) -> None:
    """Remember whether scaling a service is suspended; nothing here scales it."""
    answer: dict[str, Any] = {}
    _, cluster, service = str(asked.get("ResourceId") or asked["ResourceIds"][0]).split("/")
    known = f"{cluster}/{service}" in ecs._services
    if action == "RegisterScalableTarget" and known and not asked.keys() - SUSPENSION:
        suspended[service] = asked["SuspendedState"]
    elif action == "DescribeScalableTargets" and known:
        answer = {"ScalableTargets": [{"SuspendedState": suspended.get(service, {})}]}
    else:
        answer = {"__type": "ValidationException", "message": f"nothing here answers {action} of {asked}"}
    headers = [(b"content-type", b"application/x-amz-json-1.1")]
    status = 400 if "__type" in answer else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def _resource_arn(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
    """Name the resource that AWS asks about, where the emulator would name another or none."""
    action = (headers.get("x-amz-target") or "").rpartition(".")[2]
    if service == "ssm" and action == "GetParametersByPath":
        # The emulator would name every parameter there is.
        body = json.dumps({"Name": json.loads(body)["Path"]}).encode()
    found = str(_of_every_other_request(service, method, path, headers, body, *rest))
    if service == "rds" and found == "*":
        return _database_arn(headers, body)
    if name := OF_REQUEST.get((service, action)):
        return name(found, json.loads(body))
    return found


def _database_arn(headers: Any, body: bytes) -> str:
    asked = urllib.parse.parse_qs(body.decode())
    region = headers["authorization"].split("/")[2]
    if target := asked.get("TargetDBInstanceIdentifier"):
        return f"arn:aws:rds:{region}:000000000000:db:{target[0]}"
    return f"arn:aws:rds:{region}:000000000000:db:*" if asked["Action"] == ["DescribeDBInstances"] else "*"


OF_REQUEST: dict[tuple[str, str], Callable[[str, Any], str]] = {
    ("ecs", "RunTask"): lambda _, asked: str(asked["taskDefinition"]),
    ("ecs", "DescribeTasks"): lambda _, asked: str(asked["tasks"][0]),
    ("ecs", "StopTask"): lambda _, asked: str(asked["task"]),
    ("ecs", "ListTasks"): lambda _found, _asked: "*",
    ("logs", "GetLogEvents"): lambda found, asked: f"{found}:log-stream:{asked['logStreamName']}",
}


def _restore(request: dict[str, Any]) -> Any:
    """Make a record like the original's; RDS's stand-in makes the database and says when it is there."""
    unread = {name.split(".")[0] for name in request} - RESTORE
    if unread:
        return rds._error("InvalidParameterCombination", f"nothing here reads {sorted(unread)}", 400)
    source = rds._instances.get(rds._p(request, "SourceDBInstanceIdentifier"))
    if source is None:
        return rds._error("DBInstanceNotFound", "there is no such source", 404)
    to = rds._p(request, "RestoreTime")
    if datetime.fromisoformat(to) >= datetime.fromisoformat(source["LatestRestorableTime"]):
        return rds._error("InvalidRestoreFault", "RestoreTime is not before LatestRestorableTime", 400)
    name = rds._p(request, "TargetDBInstanceIdentifier")
    inherited = {key: str(source[key]) for key in INHERITED}
    inherited["StorageEncrypted"] = str(source["StorageEncrypted"]).lower()
    answer = rds._create_db_instance({**inherited, **request, "DBInstanceIdentifier": name})
    if answer[0] != 200:  # noqa: PLR2004 - HTTP's
        return answer
    made = rds._instances[name]
    made.update(DBInstanceStatus="creating", _restored={"source": source["DBInstanceIdentifier"], "to": to})
    words = ("RestoreDBInstanceToPointInTimeResponse", "RestoreDBInstanceToPointInTimeResult")
    return rds._single_instance_response(*words, made)


def _account_attributes(_: dict[str, Any]) -> Any:
    records = [record for _, record in rds._instances.all_items()]
    quotas = {
        "DBInstances": (len(records), MOST_INSTANCES),
        "AllocatedStorage": (sum(int(record["AllocatedStorage"]) for record in records), MOST_GIB),
    }
    members = "".join(
        f"<AccountQuota><AccountQuotaName>{name}</AccountQuotaName><Used>{used}</Used><Max>{most}</Max></AccountQuota>"
        for name, (used, most) in quotas.items()
    )
    inner = f"<AccountQuotas>{members}</AccountQuotas>"
    result = "DescribeAccountAttributesResult"
    return rds._xml(200, "DescribeAccountAttributesResponse", f"<{result}>{inner}</{result}>")


def _task_has_ended(request: dict[str, Any]) -> Any:
    """Take the word of who plays the ECS agent, by the call with which the agent tells it."""
    task = ecs._resolve_task(request["task"], ecs._resolve_cluster_name(request["cluster"]))
    codes = {one["containerName"]: one["exitCode"] for one in request["containers"]}
    for container in task["containers"]:
        container["exitCode"] = codes[container["name"]]
    code = "EssentialContainerExited" if task["lastStatus"] != STOPPING else "ServiceSchedulerInitiated"
    task["desiredStatus"] = "RUNNING"  # else it would pass for stopped
    ecs._mark_task_stopped(task["taskArn"], task, request["reason"], code)
    return ecs.json_response({"acknowledgment": "ACCEPT"})


def _stop_task(request: dict[str, Any]) -> Any:
    """End a service's task as ECS does: it is stopping until its containers have ended."""
    task = ecs._resolve_task(request["task"], ecs._resolve_cluster_name(request["cluster"]))
    if task and str(task.get("group")).startswith("service:") and task["lastStatus"] != "STOPPED":
        task.update(desiredStatus="STOPPED", lastStatus=STOPPING)
        return ecs.json_response({})
    return _stop_at_once(request)


# The emulator looks these up at each request.
iam_actions.extract_resource_arn = _resource_arn
ecs._stop_task = _stop_task  # its scheduler's; StopTask itself is as it was
rds._ACTION_MAP["RestoreDBInstanceToPointInTime"] = _restore
rds._ACTION_MAP["DescribeAccountAttributes"] = _account_attributes
ecs._ACTION_MAP["SubmitTaskStateChange"] = _task_has_ended
