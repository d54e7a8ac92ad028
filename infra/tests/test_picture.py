"""The README's picture is drawn by hand: each arrow between boxes must be one that the program declares."""

import itertools
import re
from pathlib import Path

import pytest

from rehearsal.deployment import Deployment, Resource

README = (Path(__file__).parents[2] / "README.md").read_text()
PICTURE = README.split("```mermaid")[1].split("```")[0]
ARROW = re.compile(r" (?:-- [^-]+ -->|-->) ")
BOX = re.compile(r"^ +(?:subgraph )?([A-Z][A-Za-z]+)[ \[(]", re.MULTILINE)

pytestmark = pytest.mark.rehearsal


def arrows() -> list[tuple[str, str]]:
    chains = [ARROW.split(line.strip()) for line in PICTURE.splitlines() if ARROW.search(line)]
    pairs = [pair for chain in chains for pair in itertools.pairwise(chain)]
    return [(one, other) for one, other in pairs if one[0].isupper() and other[0].isupper()]


def standing_in_the_network() -> list[str]:
    inside = PICTURE.split("subgraph Network")[1].split("        end")[0]
    return BOX.findall(inside.split("\n", 1)[1])


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


def test_every_arrow_between_boxes_is_declared(built_stack: Deployment) -> None:
    assert len(arrows()) == 10
    assert [pair for pair in arrows() if frozenset(pair) not in declared(built_stack)] == []


def test_what_is_drawn_in_the_network_stands_in_it(built_stack: Deployment) -> None:
    made = declared(built_stack)
    boxes = {box for pair in made for box in pair} - {"Network", "Scaling"}
    in_network = {box for box in boxes if {"Network", box} in made}
    assert sorted(in_network) == sorted(standing_in_the_network())
