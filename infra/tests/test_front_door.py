from collections.abc import Callable
from typing import Any

import pytest

from containers import STOP_SECONDS
from front_door import IDLE_SECONDS
from rehearsal.deployment import Deployment

TARGETS = "aws:lb/targetGroup:TargetGroup"
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
@pytest.mark.parametrize("mode", ["stack", "cheap_stack", "plain_stack"])
def test_load_balancer_is_private_and_strict(mode: str, request: pytest.FixtureRequest) -> None:
    stack = request.getfixturevalue(mode)
    inputs = stack.one("aws:lb/loadBalancer:LoadBalancer").inputs
    private = {r.id for r in stack.of_type("aws:ec2/subnet:Subnet") if "-private-" in r.name}
    assert inputs["internal"] is True
    assert set(inputs["subnets"]) == private
    assert inputs["dropInvalidHeaderFields"] is True
    assert inputs["desyncMitigationMode"] == "defensive"
    assert inputs["preserveHostHeader"] is True  # the server compares it
    assert inputs["enableDeletionProtection"] is (mode != "cheap_stack")


@pytest.mark.rehearsal
def test_tls_is_modern_and_http_only_points_to_it(stack: Deployment) -> None:
    listeners = {listener.inputs["port"]: listener.inputs for listener in stack.of_type(LISTENER)}
    assert set(listeners) == {80, 443}
    assert listeners[443]["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    (action,) = listeners[80]["defaultActions"]
    assert action["redirect"] == {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}


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
    certificates = [
        r.inputs["certificateArn"] for r in cheap_stack.of_type(LISTENER) if r.inputs["port"] == 443
    ]
    assert certificates == ["arn:aws:acm:eu-west-1:111122223333:certificate/mine"]


@pytest.mark.rehearsal
def test_allowed_networks_come_in_besides_the_vpc(cheap_stack: Deployment) -> None:
    rules = cheap_stack.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert {rule.inputs["cidrIpv4"] for rule in rules if "cidrIpv4" in rule.inputs} == {
        "10.42.0.0/16",
        "10.8.0.0/16",
    }


@pytest.mark.rehearsal
def test_plain_http_serves_the_vpc_under_the_load_balancers_name(plain_stack: Deployment) -> None:
    assert [listener.inputs["port"] for listener in plain_stack.of_type(LISTENER)] == [80]
    assert plain_stack.outputs["trackingUri"] == "http://internal-front-door.elb.amazonaws.com"


@pytest.mark.rehearsal
def test_port_80_keeps_its_listener_when_plain_http_is_switched(
    stack: Deployment, plain_stack: Deployment
) -> None:
    """AWS takes one listener per port, and another name is made before the old one goes."""
    listeners = [
        listener.urn
        for mode in (stack, plain_stack)
        for listener in mode.of_type(LISTENER)
        if listener.inputs["port"] == 80
    ]
    assert len(listeners) == 2
    assert len(set(listeners)) == 1
