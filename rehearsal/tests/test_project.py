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


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"tasks": "many"}, "Stack 'dev' is missing configuration value 'image'"),
        (
            {"image": "x", "tasks": "many", "public": "yes", "networks": "10.0.0.0/8"},
            "Stack 'dev' with configuration key 'networks' must be of type 'array<string>'",
        ),
        (
            {"image": "x", "tasks": "many", "public": "yes"},
            "Stack 'dev' with configuration key 'public' must be of type 'boolean'",
        ),
    ],
)
def test_what_is_missing_or_else_the_first_wrong_type_is_told_as_the_command_line_does(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeploymentError) as caught:
        write_project(tmp_path, "", CONFIG).settings("dev", config)
    assert caught.value.exit_code == 2
    assert str(caught.value) == said


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    project = write_project(tmp_path, "", "{b: {type: string}, a: {type: object}, c: {type: integer}}")
    with pytest.raises(DeploymentError, match="is missing configuration values 'a', 'b' and 'c'"):
        project.settings("dev", {})


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
    with pytest.raises(DeploymentError, match=f"configuration key '{key}'"):
        write_project(tmp_path, "", CONFIG).settings("dev", {"tiny:image": "x", f"tiny:{key}": value})


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError) as caught:
        write_project(tmp_path, "", CONFIG).settings("dev", {"image": "x", "tasks": Secret("hunter2")})
    assert "hunter2" not in str(caught.value)


def test_what_the_command_line_refuses_in_the_project_file_is_refused(tmp_path: Path) -> None:
    for config, said in (
        ("{aws:region: {default: eu-west-1}}", "aws:region is not its own and may only have 'value'"),
        ("{list: {type: array}}", "tiny:list is an array without 'items'"),
    ):
        project = write_project(tmp_path / said[:3], "", config)
        with pytest.raises(DeploymentError, match=said):
            project.settings("dev", {"list": []})
