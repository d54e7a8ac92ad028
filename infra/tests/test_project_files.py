"""Pulumi.yaml, Pulumi.example.yaml and Pulumi.local.yaml against the settings that read them."""

import inspect
import re
from dataclasses import asdict
from typing import Any

import pulumi_aws
import pytest
import yaml

from config_reader import ConfigReader
from infra.tests.conftest import ROOT
from rehearsal.project import Project
from settings import REGION, Settings, read_settings
from teams import FIELDS

OWN = "mlflow-tracking:"
PROJECT = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
DESCRIBED = {key: entry for key, entry in PROJECT["config"].items() if ":" not in key}
EXAMPLE = (ROOT / "Pulumi.example.yaml").read_text()
LOCAL = (ROOT / "Pulumi.local.yaml").read_text()
REQUIRED = {"teams", "domain"}


def uncommented(text: str) -> dict[str, Any]:
    live = re.sub(r"^( +)# (?=(mlflow-tracking:)?\w+: )", r"\1", text, flags=re.MULTILINE)
    return yaml.safe_load(live)["config"]


def read(project: Project, config: dict[str, Any]) -> Settings:
    merged, _ = project.settings("any", config)
    return read_settings(
        ConfigReader({k.removeprefix(OWN): v for k, v in merged.items() if k.startswith(OWN) or k == REGION})
    )


def test_every_key_that_is_read_is_described_and_every_described_key_is_read(
    text_config: dict[str, str],
) -> None:
    config = ConfigReader(text_config)
    read_settings(config)
    assert config.keys - {REGION} == set(DESCRIBED)


def test_every_key_has_a_type_a_sentence_and_a_default() -> None:
    for key, entry in DESCRIBED.items():
        assert {"type", "description", "default"} <= set(entry), key
        assert len(entry["description"]) > 15, key


def test_required_keys_say_so_and_are_empty_so_that_the_program_reports_them() -> None:
    said = {key for key, entry in DESCRIBED.items() if entry["description"].startswith("Required: ")}
    assert said == REQUIRED
    assert not any(DESCRIBED[key]["default"] for key in REQUIRED)


def test_program_runs_in_the_environment_that_make_setup_makes() -> None:
    assert PROJECT["main"] == "infra/"
    assert PROJECT["runtime"]["options"]["virtualenv"] == ".venv"


def test_example_is_a_sound_stack(project: Project) -> None:
    settings = read(project, yaml.safe_load(EXAMPLE)["config"])
    assert settings.domain == "mlflow.example.com"


def test_example_stays_sound_with_every_line_live(project: Project) -> None:
    settings = read(project, uncommented(EXAMPLE))
    assert settings.certificate_arn
    assert settings.admins


def test_example_shows_all_that_a_team_may_list(project: Project) -> None:
    (team,) = read(project, uncommented(EXAMPLE)).teams.values()
    assert all(asdict(team).values())
    assert set(uncommented(EXAMPLE)[f"{OWN}teams"]["vision"]) == set(FIELDS)


def test_example_shows_every_key_once_with_its_default() -> None:
    shown = re.findall(r"^  (?:# )?mlflow-tracking:(\w+):", EXAMPLE, flags=re.MULTILINE)
    assert sorted(shown) == sorted(DESCRIBED)
    for key, value in uncommented(EXAMPLE).items():
        default = DESCRIBED.get(key.removeprefix(OWN), {}).get("default")
        assert not default or value == default, key


def test_example_has_only_what_is_needed_live() -> None:
    live = {key.removeprefix(OWN) for key in yaml.safe_load(EXAMPLE)["config"]}
    assert live == {REGION, "hostedZoneId", *REQUIRED}


def test_local_stack_is_sound(project: Project) -> None:
    assert read(project, yaml.safe_load(LOCAL)["config"]).disposable is True


def test_local_stack_names_provider_settings_and_endpoints_that_exist() -> None:
    config = yaml.safe_load(LOCAL)["config"]
    provider = set(inspect.signature(pulumi_aws.Provider._internal_init).parameters)
    endpoints = set(inspect.signature(pulumi_aws.ProviderEndpointArgs.__init__).parameters)
    for key in config:
        if key.startswith("aws:"):
            assert re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.removeprefix("aws:")).lower() in provider, key
    assert set(config["aws:endpoints"][0]) <= endpoints
    assert set(config["aws:endpoints"][0].values()) == {"https://127.0.0.1:4566"}


def test_local_stack_says_that_it_was_not_run() -> None:
    assert "NOT RUN" in LOCAL.split("config:")[0]


@pytest.mark.rehearsal
def test_local_stack_sends_every_service_that_the_program_uses_to_the_emulator(stack: Any) -> None:
    modules = {r.type.split(":")[1].split("/")[0] for r in stack.resources if r.custom}
    names = {"lb": "elbv2", "appautoscaling": "applicationautoscaling", "cloudwatch": "logs", "vpc": "ec2"}
    endpoints = set(yaml.safe_load(LOCAL)["config"]["aws:endpoints"][0])
    assert {names.get(module, module) for module in modules} <= endpoints
