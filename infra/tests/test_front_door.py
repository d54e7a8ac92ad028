from collections.abc import Callable
from typing import Any

import pytest

from containers import STOP_SECONDS
from front_door import IDLE_SECONDS
from infra.tests.conftest import CONFIG, declare
from rehearsal.deployment import Deployment

TARGETS = "aws:lb/targetGroup:TargetGroup"
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
CERTIFICATE = "aws:acm/certificate:Certificate"


@pytest.mark.rehearsal
def test_server_keeps_idle_connections_longer_than_the_load_balancer() -> None:
    from server.tracking_server.serving import KEEP_ALIVE_SECONDS  # noqa: PLC0415 - imports a server

    assert KEEP_ALIVE_SECONDS > IDLE_SECONDS


@pytest.mark.rehearsal
def test_server_has_drained_before_ecs_kills_it() -> None:
    from server.tracking_server.serving import DRAIN_SECONDS  # noqa: PLC0415 - imports a server

    assert DRAIN_SECONDS < STOP_SECONDS


@pytest.mark.rehearsal
def test_load_balancer_has_let_go_of_a_task_before_ecs_kills_it(
    stack: Deployment, containers: Callable[[Deployment], dict[str, dict[str, Any]]]
) -> None:
    drain = stack.one(TARGETS).inputs["deregistrationDelay"]
    assert drain < containers(stack)["tracking-server"]["stopTimeout"]


@pytest.mark.rehearsal
def test_unhealthy_task_is_out_within_a_minute(stack: Deployment) -> None:
    check = stack.one(TARGETS).inputs["healthCheck"]
    assert check["interval"] * check["unhealthyThreshold"] < 60


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("mode", "kind"), [("stack", "private"), ("cheap_stack", "private"), ("public_stack", "public")]
)
def test_load_balancer_is_private_unless_it_is_public_and_strict(
    mode: str, kind: str, request: pytest.FixtureRequest
) -> None:
    stack = request.getfixturevalue(mode)
    inputs = stack.one(LOAD_BALANCER).inputs
    subnets = {r.id for r in stack.of_type("aws:ec2/subnet:Subnet") if f"-{kind}-" in r.name}
    assert inputs["internal"] is (kind == "private")
    assert set(inputs["subnets"]) == subnets
    assert inputs["dropInvalidHeaderFields"] is True
    assert inputs["desyncMitigationMode"] == "defensive"
    assert inputs["preserveHostHeader"] is True  # the server compares it
    assert inputs["enableDeletionProtection"] is (mode != "cheap_stack")


@pytest.mark.rehearsal
@pytest.mark.parametrize("mode", ["stack", "cheap_stack", "public_stack"])
def test_modern_tls_is_the_one_way_in(mode: str, request: pytest.FixtureRequest) -> None:
    listener = request.getfixturevalue(mode).one(LISTENER).inputs
    assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
    assert listener["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"


@pytest.mark.rehearsal
def test_internets_gateway_stands_before_a_load_balancer_and_until_it_is_gone(
    public_stack: Deployment,
) -> None:
    (route,) = [r for r in public_stack.resources if r.name == "network-internet-route"]
    assert route.urn in public_stack.one(LOAD_BALANCER).dependencies


@pytest.mark.rehearsal
def test_target_group_is_free_before_another_load_balancer_takes_it(stack: Deployment) -> None:
    assert stack.one(LISTENER).options.delete_before_replace is True


@pytest.mark.rehearsal
def test_hosted_zone_gives_the_certificate_and_the_name(stack: Deployment) -> None:
    assert stack.one(CERTIFICATE).inputs["domainName"] == "mlflow.example.com"
    records = {record.inputs["type"]: record.inputs for record in stack.of_type("aws:route53/record:Record")}
    assert set(records) == {"A", "CNAME"}
    assert records["A"]["name"] == "mlflow.example.com"
    assert stack.outputs["trackingUri"] == "https://mlflow.example.com"


@pytest.mark.rehearsal
def test_given_certificate_is_used_and_the_record_is_left_to_its_owner(cheap_stack: Deployment) -> None:
    assert not cheap_stack.of_type(CERTIFICATE)
    assert not cheap_stack.of_type("aws:route53/record:Record")
    certificates = [r.inputs["certificateArn"] for r in cheap_stack.of_type(LISTENER)]
    assert certificates == ["arn:aws:acm:eu-west-1:111122223333:certificate/mine"]


@pytest.mark.rehearsal
def test_allowed_networks_come_in_besides_the_vpc(cheap_stack: Deployment) -> None:
    rules = cheap_stack.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert {rule.inputs["cidrIpv4"] for rule in rules if "cidrIpv4" in rule.inputs} == {
        "10.42.0.0/16",
        "10.8.0.0/16",
    }


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("allowed", "callers"),
    [([], {"0.0.0.0/0"}), (["192.0.2.0/24"], {"10.42.0.0/16", "192.0.2.0/24"})],
)
def test_public_door_is_open_to_all_unless_networks_are_allowed(
    allowed: list[str], callers: set[str]
) -> None:
    stack = declare({**CONFIG, "public": True, "allowedCidrs": allowed}, dry_run=True)
    rules = stack.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert {rule.inputs["cidrIpv4"] for rule in rules if "cidrIpv4" in rule.inputs} == callers
