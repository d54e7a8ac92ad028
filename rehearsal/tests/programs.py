"""Tiny Pulumi projects, written to a folder, and a cloud that only remembers."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from rehearsal.deployment import Resource
from rehearsal.project import Project

HEADER = """
import sys
import pulumi
import pulumi_aws as aws
config = pulumi.Config()
"""


def write_project(folder: Path, program: str, config: str = "{}") -> Project:
    """Write a project whose program is HEADER and `program`; `config` is Pulumi.yaml's, as YAML flow."""
    (folder / "infra").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(f"name: tiny\nruntime: python\nmain: infra/\nconfig: {config}\n")
    (folder / "infra" / "__main__.py").write_text(HEADER + dedent(program))
    return Project(folder)


class RememberingCloud:
    """Answers every creation with the inputs and an ARN."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, str] = {}

    def configure(self, settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:
        self.created[resource.name] = resource.inputs
        return f"{resource.name}-id", {**resource.inputs, "arn": f"arn:of:{resource.name}"}

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {"names": ["first", "second"], "asked": arguments}


class BrokenCloud(RememberingCloud):
    """Refuses every creation."""

    def create(self, resource: Resource) -> tuple[str, dict[str, Any]]:  # noqa: ARG002
        raise ValueError("the cloud says no")
