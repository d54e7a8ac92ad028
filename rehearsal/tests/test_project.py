import json
from pathlib import Path
from typing import Any

import pytest

from rehearsal.deployment import DeploymentError
from rehearsal.tests.programs import write_project
from rehearsal.wire import Secret

CONFIG = """{
  image: {type: string, description: the container image},
  tasks: {type: integer, default: 2},
  public: {type: boolean, default: false},
  teams: {type: object, default: {}},
  networks: {type: array, items: {type: string}, default: [10.0.0.0/8]},
  domain: {type: string, default: ""},
  short: 5,
  aws:region: eu-west-1,
  aws:defaultTags: {value: {tags: {project: tiny}}},
}"""


def test_defaults_and_values_are_merged_as_the_command_line_does(tmp_path: Path) -> None:
    settings, secret_keys = write_project(tmp_path, "", CONFIG).settings("dev", {"tiny:image": "mlflow"})
    assert settings == {
        "tiny:image": "mlflow",
        "tiny:tasks": "2",
        "tiny:public": "false",
        "tiny:teams": "{}",
        "tiny:networks": '["10.0.0.0/8"]',
        "tiny:domain": "",
        "tiny:short": "5",
        "aws:region": "eu-west-1",
        "aws:defaultTags": '{"tags": {"project": "tiny"}}',
    }
    assert secret_keys == []


def test_the_stack_wins_and_text_counts_as_a_number(tmp_path: Path) -> None:
    config = {
        "tiny:image": "x",
        "tiny:tasks": "4",
        "tiny:public": True,
        "tiny:teams": {"vision": {"writers": []}},
    }
    settings, _ = write_project(tmp_path, "", CONFIG).settings("dev", config)
    assert settings["tiny:tasks"] == "4"
    assert settings["tiny:public"] == "true"
    assert json.loads(settings["tiny:teams"]) == config["tiny:teams"]


def test_secret_values_are_named_as_secret(tmp_path: Path) -> None:
    settings, secret_keys = write_project(tmp_path, "", CONFIG).settings("dev", {"image": Secret("s3cret")})
    assert settings["tiny:image"] == "s3cret"
    assert secret_keys == ["tiny:image"]


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    project = write_project(tmp_path, "", CONFIG)
    with pytest.raises(DeploymentError) as caught:
        project.settings("dev", {"tiny:tasks": "many", "tiny:public": "yes", "tiny:networks": "10.0.0.0/8"})
    assert caught.value.exit_code == 2
    for part in (
        "tiny:image is missing: the container image",
        "pulumi config set --stack dev tiny:image <string>",
        "tiny:tasks must be of type integer, received 'many'",
        "tiny:public must be of type boolean, received 'yes'",
        "tiny:networks must be of type array",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tasks", 1.5),
        ("tasks", [1]),
        ("teams", "vision"),
        ("teams", []),
        ("networks", [{"cidr": "10.0.0.0/8"}]),
        ("image", {"secure": "v1:xyz"}),
        ("image", ["x"]),
    ],
)
def test_a_wrong_type_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(DeploymentError, match=f"tiny:{key}"):
        write_project(tmp_path, "", CONFIG).settings("dev", {"tiny:image": "x", f"tiny:{key}": value})


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError) as caught:
        write_project(tmp_path, "", CONFIG).settings("dev", {"image": "x", "tasks": Secret("hunter2")})
    assert "hunter2" not in str(caught.value)


def test_what_the_command_line_refuses_in_the_project_file_is_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path, "", "{aws:region: {default: eu-west-1}, list: {type: array}}")
    with pytest.raises(DeploymentError, match="may only have 'value'") as caught:
        project.settings("dev", {"list": []})
    assert "tiny:list is an array without 'items'" in str(caught.value)
