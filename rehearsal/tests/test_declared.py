from copy import deepcopy
from dataclasses import replace

import pytest

from rehearsal.aws.cloud import EmulatedAws
from rehearsal.aws.comparison import EXCEPTIONS, differences
from rehearsal.aws.docker_image import IMAGE
from rehearsal.declared import check, faults_in
from rehearsal.deployment import Deployment, DeploymentError
from rehearsal.emulator import Emulator
from rehearsal.wire import Secret

pytestmark = pytest.mark.rehearsal

Made = tuple[Deployment, Deployment]
VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"


@pytest.fixture(params=["rehearsed", "lasting", "public", "built"])
def made(request: pytest.FixtureRequest) -> Made:
    stack: Made = request.getfixturevalue(request.param)
    return stack


@pytest.fixture
def up(rehearsed: Made) -> Deployment:
    """Return the up of the rehearsed stack, to be spoilt."""
    return deepcopy(rehearsed[1])


def _fails(preview: Deployment, up: Deployment, cloud: EmulatedAws) -> str:
    with pytest.raises(DeploymentError) as caught:
        check(preview, up, cloud)
    return str(caught.value)


def test_the_stack_is_made_as_declared(cloud: EmulatedAws, made: Made) -> None:
    check(*made, cloud)


def test_every_exception_is_met_by_some_stack(
    cloud: EmulatedAws, rehearsed: Made, lasting: Made, built: Made
) -> None:
    met = [cloud.compare(up)[1] for _, up in (rehearsed, lasting, built)]
    assert set().union(*met) == set(EXCEPTIONS)


def test_every_declared_property_is_compared(cloud: EmulatedAws, made: Made) -> None:
    for resource in made[1].resources:
        if resource.custom:
            declared = cloud.declared(resource)
            missed = {path.split(".")[0] for path in differences(declared, {})}
            assert missed == {key for key, value in declared.items() if value not in ({}, None)}


def test_a_change_behind_the_stacks_back_is_seen(
    cloud: EmulatedAws, rehearsed: Made, emulator: Emulator
) -> None:
    subnet = rehearsed[1].of_type(SUBNET)[0]
    ec2 = emulator.client("ec2")
    ec2.modify_subnet_attribute(SubnetId=subnet.id, MapPublicIpOnLaunch={"Value": True})
    try:
        said = _fails(*rehearsed, cloud)
    finally:
        ec2.modify_subnet_attribute(SubnetId=subnet.id, MapPublicIpOnLaunch={"Value": False})
    assert said == f"{SUBNET} '{subnet.name}' mapPublicIpOnLaunch: declared False, described True"


def test_a_resource_missing_from_the_preview_is_a_fault(
    cloud: EmulatedAws, rehearsed: Made, up: Deployment
) -> None:
    vpc = up.one(VPC)
    kept = [resource for resource in rehearsed[0].resources if resource.urn != vpc.urn]
    assert _fails(replace(rehearsed[0], resources=kept), up, cloud) == f"not in the preview: {vpc.urn}"


def test_an_explicit_provider_is_a_fault(up: Deployment) -> None:
    up.one(VPC).provider = "urn::mine"
    assert "explicit provider urn::mine" in faults_in(up)[0]


def test_a_resource_outside_of_a_component_is_a_fault(up: Deployment) -> None:
    up.one(VPC).parent = up.one("pulumi:pulumi:Stack").urn
    assert faults_in(up) == [f"{VPC} 'network-vpc': stands in no component"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"cidrBlok": "10.0.0.0/16"}, "cidrBlok is unknown"),
        ({"enableDnsSupport": "yes"}, "enableDnsSupport must be of type bool"),
        ({"cidrBlock": ["10.0.0.0/16"]}, "cidrBlock must be of type str"),
        ({"tags": ["a"]}, "tags must be a map"),
    ],
)
def test_what_the_sdk_would_not_take_is_a_fault(up: Deployment, inputs: dict[str, object], said: str) -> None:
    vpc = up.one(VPC)
    vpc.inputs = {**vpc.inputs, **inputs}
    assert said in "\n".join(faults_in(up))


def test_a_nested_property_of_the_wrong_type_is_a_fault(up: Deployment) -> None:
    group = up.one("aws:lb/targetGroup:TargetGroup")
    group.inputs["healthCheck"] = {"interval": "often", "sucessCodes": "200"}
    said = "\n".join(faults_in(up))
    assert "healthCheck.interval must be a number, received 'often'" in said
    assert "healthCheck.sucessCodes is unknown" in said


def test_a_value_that_the_sdk_does_not_list_is_a_fault(built: Made) -> None:
    up = deepcopy(built[1])
    up.one(IMAGE).inputs["platforms"] = ["linux/amd65"]
    assert "platforms[0] must be one of darwin/386, darwin/amd64" in faults_in(up)[0]


def test_a_registry_password_in_the_open_is_a_fault(built: Made) -> None:
    up = deepcopy(built[1])
    up.one(IMAGE).inputs["labels"] = {"login": up.one(IMAGE).inputs["registries"][0]["password"]}
    assert faults_in(up) == [f"a secret stands in the open in {IMAGE} 'image-build'"]


def test_a_missing_property_is_a_fault(up: Deployment) -> None:
    del up.one("aws:ecs/taskDefinition:TaskDefinition", "tracking-server-task").inputs["containerDefinitions"]
    assert "containerDefinitions is required" in faults_in(up)[0]


def test_a_secret_in_the_open_is_a_fault(up: Deployment) -> None:
    up.one(VPC).outputs["token"] = Secret("hunter2-hunter2")
    up.outputs["notes"] = ["the password is hunter2-hunter2"]
    said = faults_in(up)
    assert said == ["a secret stands in the open in the stack's outputs"]


def test_a_secret_in_anothers_inputs_is_a_fault(up: Deployment) -> None:
    up.one(VPC).outputs["token"] = Secret("hunter2-hunter2")
    group = up.one("aws:lb/targetGroup:TargetGroup")
    group.inputs["tags"] = {"note": "it is hunter2-hunter2"}
    assert faults_in(up) == [f"a secret stands in the open in {group.type} '{group.name}'"]
