import pytest

from backend_store import instance_identifier
from rehearsal.deployment import Deployment
from rehearsal.wire import Secret

INSTANCE = "aws:rds/instance:Instance"


def test_instance_is_named_after_this_subnet_group_and_no_other() -> None:
    first = instance_identifier("backend-store-subnet-group-1a2b3c4")
    assert first.startswith("backend-store-1a2b3c4-")
    assert first != instance_identifier("backend-store-subnet-group-5d6e7f8")


def test_instance_name_is_one_that_rds_takes() -> None:
    name = instance_identifier("backend-store-subnet-group-1a2b3c4")
    assert len(f"{name}-final") <= 63
    assert "--" not in name


@pytest.mark.rehearsal
def test_database_is_private_encrypted_and_takes_tls_and_iam_logins(stack: Deployment) -> None:
    inputs = stack.one(INSTANCE).inputs
    assert inputs["publiclyAccessible"] is False
    assert inputs["storageEncrypted"] is True
    assert inputs["iamDatabaseAuthenticationEnabled"] is True
    assert {"name": "rds.force_ssl", "value": "1", "applyMethod": "pending-reboot"} in stack.one(
        "aws:rds/parameterGroup:ParameterGroup"
    ).inputs["parameters"]
    public = {r.id for r in stack.of_type("aws:ec2/subnet:Subnet") if "public" in r.name}
    assert not public & set(stack.one("aws:rds/subnetGroup:SubnetGroup").inputs["subnetIds"])


@pytest.mark.rehearsal
def test_master_password_is_rds_own(stack: Deployment) -> None:
    inputs = stack.one(INSTANCE).inputs
    assert inputs["manageMasterUserPassword"] is True
    assert "password" not in inputs
    assert not any(isinstance(value, Secret) for value in inputs.values())


@pytest.mark.rehearsal
def test_database_survives_a_mistaken_destroy(stack: Deployment) -> None:
    inputs = stack.one(INSTANCE).inputs
    assert inputs["deletionProtection"] is True
    assert inputs["skipFinalSnapshot"] is False
    assert inputs["finalSnapshotIdentifier"] == f"{inputs['identifier']}-final"
    assert inputs["deleteAutomatedBackups"] is False
    assert inputs["backupRetentionPeriod"] == 7


@pytest.mark.rehearsal
def test_database_is_protected_unless_it_is_disposable(stack: Deployment, cheap_stack: Deployment) -> None:
    assert stack.one(INSTANCE).options.protect is True
    assert cheap_stack.one(INSTANCE).options.protect is False


@pytest.mark.rehearsal
def test_database_grows_mends_itself_and_marks_its_snapshots(stack: Deployment) -> None:
    inputs = stack.one(INSTANCE).inputs
    assert inputs["maxAllocatedStorage"] > 1.1 * inputs["allocatedStorage"]  # RDS refuses less
    assert inputs["autoMinorVersionUpgrade"] is True
    assert inputs["copyTagsToSnapshot"] is True


@pytest.mark.rehearsal
def test_disposable_database_goes_at_once(cheap_stack: Deployment) -> None:
    inputs = cheap_stack.one(INSTANCE).inputs
    assert inputs["deletionProtection"] is False
    assert inputs["skipFinalSnapshot"] is True
    assert "finalSnapshotIdentifier" not in inputs


@pytest.mark.rehearsal
def test_exported_logs_have_groups_before_rds_makes_them_without_an_end(stack: Deployment) -> None:
    instance = stack.one(INSTANCE)
    assert set(instance.inputs["enabledCloudwatchLogsExports"]) == {"postgresql", "upgrade"}
    for log in instance.inputs["enabledCloudwatchLogsExports"]:
        name = f"/aws/rds/instance/{instance.inputs['identifier']}/{log}"
        (group,) = [
            r for r in stack.of_type("aws:cloudwatch/logGroup:LogGroup") if r.inputs.get("name") == name
        ]
        assert group.inputs["retentionInDays"] == 30
        assert group.urn in instance.dependencies
