import json
from typing import Any

import pytest

from rehearsal.aws.comparison import differences

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"]}]}
WIDER = {**POLICY, "Statement": [{**POLICY["Statement"][0], "Resource": "*"}]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("declared", "described"),
    [
        ({"port": 80}, {"port": 80, "protocol": "HTTP"}),
        ({"check": {"path": "/health"}}, {"check": {"path": "/health", "timeout": 5}}),
        ({"subnets": ["b", "a"]}, {"subnets": ["a", "b"]}),
        ({"policy": json.dumps(POLICY)}, {"policy": json.dumps(POLICY, indent=2)}),
        ({"containers": '[{"command": ["a", "b"]}]'}, {"containers": '[{"command": ["a", "b"], "cpu": 0}]'}),
        ({"metric": {"label": None}}, {"metric": {}}),
        ({"name": "_proof.localhost."}, {"name": "_proof.localhost"}),
    ],
)
def test_what_is_as_declared_is_no_difference(declared: dict[str, Any], described: dict[str, Any]) -> None:
    assert differences(declared, described) == {}


@pytest.mark.parametrize(
    ("declared", "described", "path"),
    [
        ({"port": 80}, {"port": 81}, "port"),
        ({"port": 80}, {}, "port"),
        ({"port": "80"}, {"port": 80}, "port"),
        ({"check": {"path": "/health"}}, {"check": {}}, "check.path"),
        ({"check": {"path": "/health"}}, {"check": None}, "check"),
        ({"subnets": ["a"]}, {"subnets": ["a", "b"]}, "subnets"),
        ({"rules": [{"id": "x"}, {"id": "y"}]}, {"rules": [{"id": "x"}, {"id": "z"}]}, "rules.id"),
        (
            {"containers": '[{"command": ["a", "b"]}]'},
            {"containers": '[{"command": ["b", "a"]}]'},
            "containers.command",
        ),
        ({"containers": '[{"user": "1"}]'}, {"containers": '[{"cpu": 0}]'}, "containers.user"),
        ({"policy": json.dumps(POLICY)}, {"policy": json.dumps(WIDER)}, "policy"),
        ({"policy": json.dumps(POLICY)}, {"policy": "nonsense"}, "policy"),
        ({"on": True}, {"on": False}, "on"),
    ],
)
def test_what_is_not_as_declared_is_named(
    declared: dict[str, Any], described: dict[str, Any], path: str
) -> None:
    assert list(differences(declared, described)) == [path]
