import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Collection

import pytest

from server.tracking_server.access_list import AccessList, parse
from server.tracking_server.access_watch import KEPT_SECONDS, NO_LIST, POLL_SECONDS, AccessWatch
from server.tracking_server.caller import Caller
from server.tracking_server.identity import Identity, Role
from server.tracking_server.refusal import Refusal

DEADLINE_SECONDS = 10
SHORT_SECONDS = 0.01


def listed(*teams: str, **changes: object) -> AccessList:
    arn = "arn:aws:iam::123456789012:role/{}-writer"
    return parse(
        {
            f"teams/{team}": json.dumps({"writers": [arn.format(team)], "readers": []} | changes)
            for team in teams
        }
    )


class World:
    """SSM and the database, as far as the watch knows them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.list: AccessList | Exception = listed("vision")
        self.made: list[str] = []
        self.database = threading.Event()
        self.database.set()
        self.broken = False
        self.watch = AccessWatch(self.load, self.make, lambda: self.now, SHORT_SECONDS)

    def load(self) -> AccessList:
        if isinstance(self.list, Exception):
            raise self.list
        return self.list

    def make(self, teams: Collection[str]) -> None:
        assert self.database.wait(DEADLINE_SECONDS)
        if self.broken:
            raise OSError("no database")
        self.made += teams

    def admitted(self, team: str) -> Caller | Refusal:
        role = Role(partition="aws", account="123456789012", name=f"{team}-writer")
        return self.watch.admit(Identity(role=role, session="ada"), 0.0, 0.0)

    def rule(self, team: str) -> str | None:
        admitted = self.admitted(team)
        return admitted.rule if isinstance(admitted, Refusal) else None

    def run(self, step: Callable[[], Awaitable[None]]) -> None:
        async def running() -> None:
            async with self.watch:
                await step()

        asyncio.run(running())

    async def until(self, reason: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not reason():  # noqa: ASYNC110 - what it waits for is no event of ours
                await asyncio.sleep(SHORT_SECONDS)


@pytest.fixture
def world() -> World:
    return World()


def test_nobody_comes_in_before_the_first_list(world: World) -> None:
    assert world.admitted("vision") is NO_LIST
    assert NO_LIST.status == 503


def test_a_list_that_cannot_be_read_at_the_start_lets_nobody_in_until_it_can(world: World) -> None:
    world.list = OSError("no SSM")

    async def step() -> None:
        assert world.admitted("vision") is NO_LIST
        world.list = listed("vision")
        await world.until(lambda: world.rule("vision") is None)

    world.run(step)


def test_the_first_list_and_its_workspaces_are_there_before_the_first_request(world: World) -> None:
    async def step() -> None:
        assert world.rule("vision") is None
        assert world.made == ["vision"]

    world.run(step)


def test_a_team_that_left_or_is_shut_is_out_with_the_next_list(world: World) -> None:
    async def step() -> None:
        world.list = listed("speech")
        await world.until(lambda: world.rule("vision") == "role not of this stack")
        world.list = listed("vision", notBefore="2026-11-23T12:00:00Z")
        await world.until(lambda: world.rule("vision") == "before notBefore")

    world.run(step)


def test_a_new_team_comes_in_when_its_workspace_is_made_and_no_earlier(world: World) -> None:
    async def step() -> None:
        world.database.clear()
        world.list = listed("vision", "speech")
        await world.until(lambda: world.rule("speech") == "no workspace yet")
        assert world.rule("vision") is None
        # The database hangs, and still nobody stays in who was shut out.
        world.list = listed("speech")
        await world.until(lambda: world.rule("vision") == "role not of this stack")
        assert world.rule("speech") == "no workspace yet"
        world.database.set()
        await world.until(lambda: world.rule("speech") is None)
        assert world.made == ["vision", "speech"]

    world.run(step)


def test_a_workspace_that_cannot_be_made_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def step() -> None:
        world.broken = True
        world.list = listed("vision", "speech")
        await world.until(lambda: "no workspace for speech: no database" in caplog.text)
        assert world.rule("speech") == "no workspace yet"
        assert world.rule("vision") is None
        world.broken = False
        await world.until(lambda: world.rule("speech") is None)

    logging.getLogger("tracking_server").propagate = True
    world.run(step)


def test_the_last_list_counts_for_a_quarter_of_an_hour_and_each_failure_is_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def step() -> None:
        world.list = OSError("no SSM")
        await world.until(lambda: caplog.text.count("no SSM") >= 3)
        world.now = KEPT_SECONDS
        assert world.rule("vision") is None
        world.now = KEPT_SECONDS + 1
        assert world.admitted("vision") is NO_LIST
        world.list = listed("vision")
        await world.until(lambda: world.rule("vision") is None)

    logging.getLogger("tracking_server").propagate = True
    world.run(step)
    assert {record.levelno for record in caplog.records if "no SSM" in record.getMessage()} == {logging.ERROR}


def test_a_parameter_that_cannot_be_read_is_an_error_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def step() -> None:
        world.list = parse({"teams/vision": "{"})
        await world.until(lambda: world.rule("vision") == "role not of this stack")

    logging.getLogger("tracking_server").propagate = True
    world.run(step)
    (record,) = [record for record in caplog.records if "teams/vision" in record.getMessage()]
    assert record.levelno == logging.ERROR


def test_leaving_ends_what_entering_began(world: World) -> None:
    async def step() -> None:
        assert len(world.watch._tasks) == 2

    world.run(step)
    assert all(task.cancelled() for task in world.watch._tasks)


def test_a_change_holds_within_a_minute() -> None:
    from server.tracking_server.access_list import CONNECT_SECONDS, READ_SECONDS, TRIES  # noqa: PLC0415

    assert POLL_SECONDS + TRIES * (CONNECT_SECONDS + READ_SECONDS) < 60
