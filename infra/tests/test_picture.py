"""The README's picture is drawn by hand: each arrow between boxes must be one that the program declares."""

import itertools
import re
from pathlib import Path

import pytest

from rehearsal.deployment import Deployment, Resource

README = (Path(__file__).parents[2] / "README.md").read_text()
ARROW = re.compile(r" (?:-- [^-]+ -->|-\. [^-]+ \.->|-->|---) ")

pytestmark = pytest.mark.rehearsal


def drawn() -> list[tuple[str, str]]:
    picture = README.split("```mermaid")[1].split("```")[0]
    chains = [ARROW.split(line.strip()) for line in picture.splitlines() if ARROW.search(line)]
    pairs = [pair for chain in chains for pair in itertools.pairwise(chain)]
    return [(one, other) for one, other in pairs if one[0].isupper() and other[0].isupper()]


def declared(stack: Deployment) -> set[frozenset[str]]:
    made = {resource.urn: resource for resource in stack.resources}

    def box(resource: Resource) -> str:
        return resource.type.rsplit(":", 1)[1] if not resource.custom else box(made[resource.parent])

    return {
        frozenset({box(resource), box(made[urn])})
        for resource in stack.resources
        if resource.custom
        for urn in resource.dependencies
    }


def test_every_arrow_between_boxes_is_declared(stack: Deployment) -> None:
    arrows = drawn()
    assert len(arrows) >= 7
    undeclared = [pair for pair in arrows if frozenset(pair) not in declared(stack)]
    assert not undeclared
