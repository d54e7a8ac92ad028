"""The Postgres instance and what surrounds it."""

from typing import Any

from rehearsal.aws.account import Account, Handler
from rehearsal.aws.beside import make_master_secret, master_secrets
from rehearsal.aws.inputs import Inputs, only, shown, tag_list, tag_map

# The provider writes this where none is declared, because RDS insists on one.
DESCRIPTION = "Managed by Pulumi"
INSTANCE = {
    "identifier": "DBInstanceIdentifier",
    "instanceClass": "DBInstanceClass",
    "engine": "Engine",
    "engineVersion": "EngineVersion",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "allocatedStorage": "AllocatedStorage",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "storageType": "StorageType",
    "storageEncrypted": "StorageEncrypted",
    "username": "MasterUsername",
    "dbName": "DBName",
    "multiAz": "MultiAZ",
    "publiclyAccessible": "PubliclyAccessible",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
}
# Named otherwise, or shaped otherwise, when described.
INSTANCE_AT_BIRTH = {
    **INSTANCE,
    "port": "Port",
    "manageMasterUserPassword": "ManageMasterUserPassword",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "parameterGroupName": "DBParameterGroupName",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
}
INSTANCE_DESCRIBED = {
    **INSTANCE,
    "arn": "DBInstanceArn",
    "resourceId": "DbiResourceId",
    "status": "DBInstanceStatus",
    "iamDatabaseAuthenticationEnabled": "IAMDatabaseAuthenticationEnabled",
    "enabledCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
}
PARAMETER = {"name": "ParameterName", "value": "ParameterValue", "applyMethod": "ApplyMethod"}


def create_subnet_group(account: Account, inputs: Inputs) -> str:
    """Make a subnet group; its id is its name."""
    name = inputs.autoname()
    account.client("rds").create_db_subnet_group(
        DBSubnetGroupName=name,
        DBSubnetGroupDescription=inputs.get("description", DESCRIPTION),
        SubnetIds=inputs["subnetIds"],
        Tags=tag_list(inputs.get("tagsAll", {})),
    )
    return name


def read_subnet_group(account: Account, identity: str) -> dict[str, Any]:
    """Describe a subnet group."""
    rds = account.client("rds")
    groups = rds.describe_db_subnet_groups(DBSubnetGroupName=identity)["DBSubnetGroups"]
    group = only(groups, identity)
    names = {
        "name": "DBSubnetGroupName",
        "description": "DBSubnetGroupDescription",
        "arn": "DBSubnetGroupArn",
        "vpcId": "VpcId",
    }
    return {
        **shown(group, names),
        "subnetIds": [subnet["SubnetIdentifier"] for subnet in group["Subnets"]],
        "tagsAll": _tags(rds, group["DBSubnetGroupArn"]),
    }


def create_parameter_group(account: Account, inputs: Inputs) -> str:
    """Make a parameter group and set its parameters; its id is its name."""
    rds = account.client("rds")
    name = inputs.autoname()
    rds.create_db_parameter_group(
        DBParameterGroupName=name,
        DBParameterGroupFamily=inputs["family"],
        Description=inputs.get("description", DESCRIPTION),
        Tags=tag_list(inputs.get("tagsAll", {})),
    )
    parameters = [block.take(PARAMETER) for block in inputs.blocks("parameters")]
    if parameters:
        rds.modify_db_parameter_group(DBParameterGroupName=name, Parameters=parameters)
    return name


def read_parameter_group(account: Account, identity: str) -> dict[str, Any]:
    """Describe a parameter group and the parameters that somebody set."""
    rds = account.client("rds")
    groups = rds.describe_db_parameter_groups(DBParameterGroupName=identity)["DBParameterGroups"]
    group = only(groups, identity)
    pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=identity, Source="user")
    names = {"name": "DBParameterGroupName", "family": "DBParameterGroupFamily", "description": "Description"}
    return {
        **shown(group, names),
        "arn": group["DBParameterGroupArn"],
        "parameters": [
            shown(parameter, PARAMETER)
            for page in pages
            for parameter in page["Parameters"]
            if parameter["Source"] == "user"
        ],
        "tagsAll": _tags(rds, group["DBParameterGroupArn"]),
    }


def create_instance(account: Account, inputs: Inputs) -> str:
    """Make a database instance; its id is its resource id."""
    # Instructions for the instance's end, which a rehearsal does not reach.
    inputs.ignore("skipFinalSnapshot", "finalSnapshotIdentifier", "deleteAutomatedBackups")
    rds = account.client("rds")
    # RDS refuses a group that is not there; the emulator does not.
    rds.describe_db_subnet_groups(DBSubnetGroupName=inputs["dbSubnetGroupName"])
    rds.describe_db_parameter_groups(DBParameterGroupName=inputs["parameterGroupName"])
    instance = rds.create_db_instance(
        **{"DBInstanceIdentifier": inputs.autoname("identifier"), **inputs.take(INSTANCE_AT_BIRTH)},
        Tags=tag_list(inputs.get("tagsAll", {})),
    )["DBInstance"]
    if inputs.get("manageMasterUserPassword"):
        make_master_secret(account, instance["DBInstanceArn"], instance["MasterUsername"])
    return str(instance["DbiResourceId"])


def read_instance(account: Account, identity: str) -> dict[str, Any]:
    """Describe a database instance and the secret that RDS would keep for it.

    Raises:
        LookupError: there is no such instance, or it did not come up.
    """
    rds = account.client("rds")
    found = rds.describe_db_instances()["DBInstances"]
    instance = only([i for i in found if i["DbiResourceId"] == identity], identity)
    if instance["DBInstanceStatus"] != "available":
        raise LookupError(f"{identity} is {instance['DBInstanceStatus']}")
    address, port = instance["Endpoint"]["Address"], instance["Endpoint"]["Port"]
    secrets = master_secrets(account, instance["DBInstanceArn"])
    return {
        **shown(instance, INSTANCE_DESCRIBED),
        "address": address,
        "port": port,
        "endpoint": f"{address}:{port}",
        "dbSubnetGroupName": instance["DBSubnetGroup"]["DBSubnetGroupName"],
        "parameterGroupName": only(instance["DBParameterGroups"], "parameter groups")["DBParameterGroupName"],
        "vpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in instance["VpcSecurityGroups"]],
        "masterUserSecrets": secrets,
        "manageMasterUserPassword": bool(secrets),
        "tagsAll": tag_map(instance.get("TagList", [])),
    }


def _tags(rds: Any, arn: str) -> dict[str, str]:
    return tag_map(rds.list_tags_for_resource(ResourceName=arn)["TagList"])


HANDLERS = {
    "aws:rds/subnetGroup:SubnetGroup": Handler(create_subnet_group, read_subnet_group),
    "aws:rds/parameterGroup:ParameterGroup": Handler(create_parameter_group, read_parameter_group),
    "aws:rds/instance:Instance": Handler(create_instance, read_instance),
}
