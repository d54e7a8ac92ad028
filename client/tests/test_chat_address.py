import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from mlflow_team.bad_input import BadInputError
from mlflow_team.chat import address
from mlflow_team.chat.address import Address, Service

SECRET = "T000-B000-XyZ"
SLACK = f"https://hooks.slack.com/services/{SECRET}"
TEAMS = f"https://prod-1.westeurope.logic.azure.com:443/workflows/{SECRET}?sig=x"


@pytest.mark.parametrize(
    ("text", "service"),
    [
        (SLACK, Service.SLACK),
        (f"{SLACK}\n", Service.SLACK),
        (TEAMS, Service.TEAMS),
        ("https://chat.example.com/hook", Service.JSON),
        ("http://127.0.0.1:8000/hook", Service.JSON),
        (json.dumps({"service": "slack", "url": "https://relay.example.com/x"}), Service.SLACK),
        (json.dumps({"service": "apprise", "url": "discord://1/2"}), Service.APPRISE),
        ("https://hooks.slack.com.example.com/x", Service.JSON),
    ],
)
def test_service_is_found_from_the_address(text: str, service: Service) -> None:
    found = address.read(text, "here")
    assert found is not None
    assert found.service is service
    assert found.url in text
    assert found.url not in repr(found)


def test_placeholder_is_no_address() -> None:
    assert address.read("unset", "here") is None


@pytest.mark.parametrize(
    "text",
    [
        f"http://chat.example.com/{SECRET}",
        f"ftp://chat.example.com/{SECRET}",
        f"{SECRET}",
        "",
        f"https:///{SECRET}",
        f"https://chat.example.com:port/{SECRET}",
        f"https://chat.example.com/a {SECRET}",
        f'{{"service": "slack", "url": "{SECRET}"',
        f'{{"service": "slack", "link": "{SECRET}"}}',
        f'{{"service": "smoke", "url": "https://chat.example.com/{SECRET}"}}',
    ],
)
def test_what_is_no_address_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(BadInputError, match="parameter /x") as refused:
        address.read(text, "parameter /x")
    assert SECRET not in str(refused.value)
    assert "https" in str(refused.value)


def test_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "address.txt"
    file.write_text(SLACK)
    file.chmod(0o640)
    with pytest.raises(BadInputError, match="chmod 600"):
        address.of({address.FILE: str(file)})
    file.chmod(0o600)
    assert address.of({address.FILE: str(file)}) == Address(Service.SLACK, SLACK)
    with pytest.raises(BadInputError, match="No such file"):
        address.of({address.FILE: str(tmp_path / "other")})


def test_own_file_takes_the_place_of_the_teams_parameter(tmp_path: Path) -> None:
    file = tmp_path / "address.txt"
    file.touch(0o600)
    file.write_text(SLACK)
    both = {address.FILE: str(file), address.PARAMETER: "/chat/vision"}
    assert address.of(both) == Address(Service.SLACK, SLACK)


def test_no_place_is_no_address() -> None:
    assert not address.named({})
    assert address.of({}) is None


def test_parameter_is_read_decrypted_in_the_stacks_region(monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = boto3.client("ssm", region_name="eu-west-3", aws_access_key_id="a", aws_secret_access_key="b")
    asked: list[Any] = []
    monkeypatch.setattr(boto3, "client", lambda *given, **named: asked.append((given, named)) or ssm)
    with Stubber(ssm) as stub:
        stub.add_response(
            "get_parameter",
            {"Parameter": {"Value": SLACK}},
            {"Name": "/chat/vision", "WithDecryption": True},
        )
        named = {address.PARAMETER: "/chat/vision", "MLFLOW_TEAM_STS_REGION": "eu-west-3"}
        # Once a minute, however many runs end.
        for _ in range(3):
            assert address.of(named) == Address(Service.SLACK, SLACK)
    assert asked == [(("ssm",), {"region_name": "eu-west-3"})]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + address.KEPT_SECONDS + 1)
    with Stubber(ssm) as stub:
        stub.add_response("get_parameter", {"Parameter": {"Value": address.UNSET}})
        assert address.of(named) is None
