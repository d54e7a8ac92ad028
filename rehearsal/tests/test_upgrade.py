"""scripts/upgrade.py from the first MLflow with workspaces, under a client that goes on logging."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.older_release import RELEASES
from rehearsal.tests.upgraded import NEWER, Client, Upgraded, older
from upgrading.snapshot import PAUSE_TAG, tags

pytestmark = pytest.mark.rehearsal

DONE = 0
(RELEASE,) = [release for release in RELEASES if release.workspaces]
# What the client, the smoke tests and `prepare` write to meanwhile.
GO_ON = {"experiments", "runs", "metrics", "latest_metrics", "params", "tags", "workspaces"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    with older(RELEASE, tmp_path_factory.mktemp("upgrade")) as world:
        yield world


@pytest.fixture(scope="module")
def client(world: Upgraded) -> Iterator[Client]:
    with world.logging() as client:
        yield client


def test_a_dry_run_says_the_plan_with_its_ways_back_and_does_nothing(
    world: Upgraded, client: Client, tmp_path: Path
) -> None:
    before = world.service()
    code, said = world.upgrade("--dry-run", log=tmp_path / "said")
    assert code == DONE, said
    steps = [line for line in said.splitlines() if re.match(r"\d\. would ", line)]
    assert len(steps) == said.count("the way back: ") == 7
    assert world.pulumi.calls == [["stack", "output", "--json"]]
    assert world.service() == before
    assert world.snapshots() == []


def test_an_upgrade_loses_nothing_and_says_how_long_it_paused(
    world: Upgraded, client: Client, tmp_path: Path
) -> None:
    code, said = world.upgrade(log=tmp_path / "said")
    print(said)
    assert code == DONE, said
    excluded, everything = [call for call in world.pulumi.calls if call[0] == "up"]
    assert excluded[3:] == [f"--exclude={urn}" for urn in world.names["held"]]
    assert everything[3:] == []
    assert re.search(r"upgrade: the pause lasted \d+ s\n", said)
    assert re.search(r"\d+ passed", said)
    assert said.splitlines()[-1].endswith(f"upgrade: {NEWER} serves")
    (snapshot,) = world.snapshots()
    assert tags(snapshot)[PAUSE_TAG] == ""
    assert world.image() == NEWER
    assert world.scaling_suspended() == {False}
    assert world.service()["desiredCount"] == 1

    client.await_value(client.logged() + 20)
    print(client.end())
    client.is_there_once(world)
    untouched = {name: table for name, table in world.before.items() if name not in GO_ON}
    assert {"registered_models", "model_versions", "trace_info", "spans"} <= untouched.keys()
    after = world.contents(like=world.before)
    assert {name: after[name] for name in untouched} == untouched
