import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rehearsal.aws.cloud import HANDLERS, EmulatedAws
from rehearsal.aws.comparison import EXCEPTIONS, differences
from rehearsal.aws.docker_image import IMAGE
from rehearsal.deployment import Deployment, Resource
from rehearsal.emulator import Emulator
from rehearsal.sdk import taggable

pytestmark = pytest.mark.rehearsal

Made = tuple[Deployment, Deployment]
KINDS = sorted({*HANDLERS, IMAGE})
REPOSITORY = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/mlflow-tracking-test"
# What a second resource of a type needs to differ in; `None` leaves the key out, so that a name is generated.
_ports = itertools.count(20000)
SECOND: dict[str, Callable[[], dict[str, Any]]] = {
    "aws:cloudwatch/logGroup:LogGroup": lambda: {"name": None},
    "aws:ec2/route:Route": lambda: {"destinationCidrBlock": f"192.168.{next(_ports) % 250}.0/24"},
    "aws:ec2/subnet:Subnet": lambda: {"cidrBlock": f"10.42.{100 + next(_ports) % 150}.0/28"},
    "aws:ecr/repository:Repository": lambda: {"name": f"second-{next(_ports)}"},
    "aws:lb/listener:Listener": lambda: {"port": next(_ports)},
    "aws:rds/instance:Instance": lambda: {"identifier": f"second-{next(_ports)}"},
    "aws:route53/record:Record": lambda: {"name": f"second-{next(_ports)}.localhost"},
    IMAGE: lambda: {"tags": [f"{REPOSITORY}:second-{next(_ports)}"]},
    "aws:ssm/parameter:Parameter": lambda: {"name": f"/second/{next(_ports)}"},
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": lambda: _same_ports(next(_ports)),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": lambda: _same_ports(next(_ports)),
}
STACK_TAGS = {"Project": "mlflow-tracking", "ManagedBy": "pulumi"}
# One wrong input for each type, and what must be said about it.
SEEDED: dict[str, tuple[dict[str, Any], str]] = {
    "aws:acm/certificate:Certificate": ({"validationMethod": "MAIL"}, "received 'MAIL', AWS knows EMAIL"),
    "aws:acm/certificateValidation:CertificateValidation": (
        {"validationRecordFqdns": ["other.localhost"]},
        r"received \['other.localhost'\]",
    ),
    "aws:appautoscaling/policy:Policy": ({"policyType": "TargetTracking"}, "received 'TargetTracking'"),
    "aws:appautoscaling/target:Target": ({"resourceId": "service/none/none"}, "Cluster not found"),
    "aws:cloudwatch/logGroup:LogGroup": ({"retentionInDays": 31}, "received 31, allowed"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ({"vpcId": "vpc-none"}, "vpc-none"),
    "aws:ec2/eip:Eip": ({"domain": "vcp"}, "received 'vcp', AWS knows vpc"),
    "aws:ec2/flowLog:FlowLog": ({"trafficType": "SOME"}, "received 'SOME'"),
    "aws:ec2/internetGateway:InternetGateway": ({"vpcId": "vpc-none"}, "vpc-none"),
    "aws:ec2/natGateway:NatGateway": ({"subnetId": "subnet-none"}, "subnet-none"),
    "aws:ec2/route:Route": ({"routeTableId": "rtb-none"}, "rtb-none"),
    "aws:ec2/routeTable:RouteTable": ({"vpcId": "vpc-none"}, "vpc-none"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ({"routeTableId": "rtb-none"}, "rtb-none"),
    "aws:ec2/securityGroup:SecurityGroup": ({"vpcId": "vpc-none"}, "vpc-none"),
    "aws:ec2/subnet:Subnet": ({"cidrBlock": "10.99.0.0/24"}, "10.99.0.0/24"),
    "aws:ec2/vpc:Vpc": ({"cidrBlock": "10.42.0.0/99"}, "10.42.0.0/99"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ({"vpcEndpointType": "Gate"}, "received 'Gate', AWS knows"),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ({"policy": '{"rules": [{}]}'}, "no lifecycle policy"),
    "aws:ecr/repository:Repository": ({"imageTagMutability": "FROZEN"}, "received 'FROZEN', AWS knows"),
    "aws:ecs/cluster:Cluster": ({"settings": [{"name": "insights", "value": "x"}]}, "received 'insights'"),
    "aws:ecs/service:Service": ({"taskDefinition": "none:1"}, "none:1"),
    "aws:ecs/taskDefinition:TaskDefinition": (
        {"containerDefinitions": json.dumps([{"name": "x", "imagine": "y"}])},
        'Unknown parameter in containerDefinitions.*"imagine"',
    ),
    "aws:iam/role:Role": ({"assumeRolePolicy": "{}"}, "no IAM document"),
    "aws:iam/rolePolicy:RolePolicy": ({"role": "none"}, "none"),
    "aws:lb/listener:Listener": ({"protocol": "HTPS"}, "received 'HTPS'"),
    "aws:lb/loadBalancer:LoadBalancer": ({"subnets": ["subnet-none"]}, "subnet-none"),
    "aws:lb/targetGroup:TargetGroup": ({"targetType": "ipp"}, "received 'ipp'"),
    "aws:rds/instance:Instance": ({"dbSubnetGroupName": "none"}, "none"),
    "aws:rds/parameterGroup:ParameterGroup": (
        {"parameters": [{"name": "rds.force_ssl", "value": "1", "applyMethod": "soon"}]},
        "received 'soon'",
    ),
    "aws:rds/subnetGroup:SubnetGroup": ({"subnetIds": ["subnet-none"]}, "subnet-none"),
    "aws:route53/record:Record": ({"zoneId": "ZNONE"}, "ZNONE"),
    "aws:s3/bucket:Bucket": ({"bucket": "Not_A_Bucket"}, "InvalidBucketName"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        {"rules": [{"id": "x", "status": "On", "filter": {"prefix": ""}}]},
        "received 'On', AWS knows Enabled",
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": (
        {"rule": {"objectOwnership": "Everyone"}},
        "received 'Everyone'",
    ),
    "aws:s3/bucketPolicy:BucketPolicy": ({"policy": "{"}, "JSONDecodeError"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        {"bucket": "no-such-bucket"},
        "NoSuchBucket",
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES257"}}]},
        "received 'AES257'",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": (
        {"versioningConfiguration": {"status": "On"}},
        "received 'On'",
    ),
    "aws:ssm/parameter:Parameter": (
        {"type": "Text", "insecureValue": "x", "valueWo": None, "valueWoVersion": None},
        "received 'Text', AWS knows String",
    ),
    IMAGE: (
        {"registries": [{"address": REPOSITORY, "username": "AWS", "password": "of-yesterday"}]},
        "not the credentials that ECR gave",
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ({"fromPort": "https"}, "FromPort"),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        {"securityGroupId": "sg-none"},
        "sg-none",
    ),
}


def _same_ports(port: int) -> dict[str, int]:
    return {"fromPort": port, "toPort": port}


@pytest.fixture
def one_of(rehearsed: Made, lasting: Made, built: Made) -> Callable[[str], Resource]:
    """Return a declared resource of a type, changed so that a second one can stand beside it."""
    made = [*rehearsed[1].resources, *lasting[1].resources, *built[1].resources]

    def find(kind: str) -> Resource:
        resource = next(resource for resource in made if resource.type == kind)
        return _changed(resource, SECOND.get(kind, dict)())

    return find


def _changed(resource: Resource, changes: dict[str, Any]) -> Resource:
    inputs = {key: value for key, value in {**resource.inputs, **changes}.items() if value is not None}
    return replace(resource, inputs=inputs)


def _faults(cloud: EmulatedAws, resource: Resource) -> str:
    """Return what is said against a resource, by whoever refuses it first; empty when it is made."""
    try:
        _, described = cloud.create(resource)
    except Exception as error:  # noqa: BLE001 - whoever refuses it, botocore, the emulator or the handler
        return f"{type(error).__name__}: {error}"
    found = differences(cloud.declared(resource), described)
    return "; ".join(fault for path, fault in found.items() if (resource.type, path) not in EXCEPTIONS)


def test_the_handlers_are_those_of_the_declared_types(rehearsed: Made, lasting: Made, built: Made) -> None:
    declared = {r.type for _, up in (rehearsed, lasting, built) for r in up.resources if r.custom}
    assert set(KINDS) == declared


def test_every_handler_has_a_seeded_fault() -> None:
    assert set(SEEDED) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_declared_rightly_is_made(
    cloud: EmulatedAws, one_of: Callable[[str], Resource], kind: str
) -> None:
    assert _faults(cloud, one_of(kind)) == ""


@pytest.mark.parametrize("kind", sorted(SEEDED))
def test_a_wrong_input_is_refused(cloud: EmulatedAws, one_of: Callable[[str], Resource], kind: str) -> None:
    wrong, said = SEEDED[kind]
    faults = _faults(cloud, _changed(one_of(kind), wrong))
    assert re.search(said, faults), faults


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_that_nothing_is_done_with_is_refused(
    cloud: EmulatedAws, one_of: Callable[[str], Resource], kind: str
) -> None:
    faults = _faults(cloud, _changed(one_of(kind), {"ignoredByTheHandler": "x"}))
    assert faults == "ValueError: nothing was done with ignoredByTheHandler: its handler does not read it"


def test_a_nested_input_that_nothing_is_done_with_is_refused(
    cloud: EmulatedAws, one_of: Callable[[str], Resource]
) -> None:
    group = one_of("aws:lb/targetGroup:TargetGroup")
    check = {**group.inputs["healthCheck"], "sucessCodes": "200"}
    assert "nothing was done with healthCheck[0].sucessCodes" in _faults(
        cloud, _changed(group, {"healthCheck": check})
    )


def test_a_name_that_leaves_no_room_for_random_digits_is_refused(
    cloud: EmulatedAws, one_of: Callable[[str], Resource]
) -> None:
    group = replace(one_of("aws:lb/targetGroup:TargetGroup"), name="front-door-target-group-for-vision")
    assert "longer than 32 characters" in _faults(cloud, group)


def test_a_type_without_a_handler_is_refused(cloud: EmulatedAws, one_of: Callable[[str], Resource]) -> None:
    queue = replace(one_of("aws:ec2/vpc:Vpc"), type="aws:sqs/queue:Queue")
    assert _faults(cloud, queue) == "LookupError: no handler for this type"


def test_an_explicit_provider_is_refused(cloud: EmulatedAws, one_of: Callable[[str], Resource]) -> None:
    vpc = replace(one_of("aws:ec2/vpc:Vpc"), provider="urn:pulumi:dev::tiny::pulumi:providers:aws::mine::id")
    assert "explicit provider" in _faults(cloud, vpc)


def test_every_taggable_resource_carries_the_stacks_tags(rehearsed: Made, lasting: Made, built: Made) -> None:
    made = [resource for _, up in (rehearsed, lasting, built) for resource in up.resources if resource.custom]
    tags = {resource.urn: resource.outputs.get("tagsAll") for resource in made if taggable(resource.type)}
    assert tags
    assert {urn: tag for urn, tag in tags.items() if not STACK_TAGS.items() <= (tag or {}).items()} == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tags": [f"{REPOSITORY}:a", f"{REPOSITORY}:b"]}, "describes 2 of tags, expected one"),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, "describes 2 of platforms, expected one"),
        ({"push": False}, "only an image that is pushed"),
        ({"network": "host"}, "only an image that is pushed"),
        ({"context": {"location": "server", "named": {}}}, r"nothing was done with context\[0\].named"),
        ({"tags": ["000000000000.dkr.ecr.eu-west-1.amazonaws.com/none:1"]}, "RepositoryNotFound"),
        ({"tags": ["registry.example.com/mlflow:1"]}, "not the credentials that ECR gave for registry.exam"),
    ],
)
def test_an_image_that_is_not_played_is_refused(
    cloud: EmulatedAws, one_of: Callable[[str], Resource], wrong: dict[str, Any], said: str
) -> None:
    assert re.search(said, _faults(cloud, _changed(one_of(IMAGE), wrong)))


def test_an_image_is_refused_where_nothing_builds(
    emulator: Emulator, one_of: Callable[[str], Resource]
) -> None:
    assert _faults(EmulatedAws(emulator.client), one_of(IMAGE)) == "LookupError: no handler for this type"


def test_an_immutable_tag_is_not_pushed_twice(cloud: EmulatedAws, built: Made) -> None:
    again = built[1].one(IMAGE)
    assert "ImageTagAlreadyExists" in _faults(cloud, again)


def test_what_ecr_has_is_found_and_no_build_declared(
    cloud: EmulatedAws, emulator: Emulator, built: Made
) -> None:
    name = built[1].one("aws:ecr/repository:Repository").inputs["name"]
    assert name in cloud.invoke("aws:ecr/getRepositories:getRepositories", {})["names"]
    emulator.client("ecr").put_image(repositoryName=name, imageManifest="[]")  # one without a tag
    found = cloud.invoke("aws:ecr/getImages:getImages", {"repositoryName": name})["imageIds"]
    image = built[1].one(IMAGE)
    (tag,) = image.inputs["tags"]
    assert {"imageTag": tag.rsplit(":", 1)[1], "imageDigest": image.outputs["digest"]} in found
    assert [one for one in found if "imageTag" not in one]


def test_the_registrys_password_is_the_tokens_and_stands_nowhere_else(
    cloud: EmulatedAws, built: Made
) -> None:
    token = cloud.invoke("aws:ecr/getAuthorizationToken:getAuthorizationToken", {"registryId": "0" * 12})
    assert token["userName"] == "AWS"
    assert built[1].one(IMAGE).inputs["registries"][0]["password"] == token["password"]
    assert token["password"] not in repr(built)


def test_the_master_password_is_readable_by_the_declared_secret_only(
    rehearsed: Made, emulator: Emulator
) -> None:
    instance = rehearsed[1].one("aws:rds/instance:Instance")
    (secret,) = instance.outputs["masterUserSecrets"]
    kept = json.loads(
        emulator.client("secretsmanager").get_secret_value(SecretId=secret["secretArn"])["SecretString"]
    )
    assert kept["username"] == "mlflow_admin"
    assert len(kept["password"]) >= 32
    assert ":secret:rds!db-" in secret["secretArn"]
    assert kept["password"] not in repr(rehearsed)


def test_the_provider_is_configured_by_what_it_plays_only(cloud: EmulatedAws) -> None:
    with pytest.raises(ValueError, match="aws:endpoints"):
        cloud.configure({"region": "eu-west-1", "endpoints": "[]"})
    with pytest.raises(ValueError, match="received us-east-1, emulated is eu-west-1"):
        cloud.configure({"region": "us-east-1"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": None, "valueWo": "x" * 4097}, "takes .*'Standard': 4096"),
        ({"name": "/second/secret", "value": "hidden"}, "nothing was done with value"),
        ({"name": "/second/plain", "insecureValue": "hidden"}, "nothing was done with insecureValue"),
        ({"name": "/second/again", "valueWoVersion": None}, "missing valueWoVersion"),
        ({"name": "/second/text", "type": "String"}, "missing insecureValue"),
        ({"name": "/aws/second"}, "reserved parameter name"),
        ({"tier": "Free", "name": "/second/free"}, "a parameter of tier Free"),
    ],
)
def test_a_parameter_that_aws_would_not_take_is_refused(
    cloud: EmulatedAws, one_of: Callable[[str], Resource], wrong: dict[str, Any], said: str
) -> None:
    assert re.search(said, _faults(cloud, _changed(one_of("aws:ssm/parameter:Parameter"), wrong)))


def test_a_name_is_taken_by_one_parameter(cloud: EmulatedAws, rehearsed: Made) -> None:
    again = next(r for r in rehearsed[1].resources if r.type == "aws:ssm/parameter:Parameter")
    assert "ParameterAlreadyExists" in _faults(cloud, again)
