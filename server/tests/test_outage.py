"""What the layer around MLflow makes of a lost database, and that it leaves every other answer alone."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg2
import pytest
import sqlalchemy.exc
from sqlalchemy import create_engine, text

from server.tracking_server import outage
from server.tracking_server.outage import Outage, away, lost

AWAY = "it cannot be logged in to"


class World:
    """An outage whose check and clock are the test's, around an app that answers as it is told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reason: str | None = AWAY
        self.checked = 0
        self.renewed = 0
        self.reached = 0
        self.outage = Outage(self._check, [self._renew], lambda: self.now)

    async def _check(self) -> str | None:
        self.checked += 1
        return self.reason

    def _renew(self) -> None:
        self.renewed += 1

    async def ask(
        self, status: int = 200, *, fails: bool = False, raises: bool = False, begun: bool = False
    ) -> list[dict[str, Any]]:
        """Return what was sent when the app answers with this status."""
        sent: list[dict[str, Any]] = []

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            self.reached += 1
            if fails:
                # As in MLflow's threads.
                await asyncio.to_thread(lost)
            if begun or not raises:
                await send({"type": "http.response.start", "status": status, "headers": []})
            if raises:
                raise RuntimeError("as told")
            await send({"type": "http.response.body", "body": b"MLflow's own"})

        async def send(message: Any) -> None:
            sent.append(message)

        await self.outage.guard(app)({}, None, send)  # type: ignore[arg-type]
        return sent


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "POLL_SECONDS", 0)


def play(steps: Callable[[World], Awaitable[None]]) -> None:
    async def played() -> None:
        world = World()
        async with world.outage:
            await steps(world)

    asyncio.run(played())


def is_refusal(sent: list[dict[str, Any]], retry_after: int = 5) -> bool:
    start, body = sent
    headers = dict(start["headers"])
    assert (start["status"], json.loads(body["body"])["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert int(headers[b"content-length"]) == len(body["body"])
    return int(headers[b"retry-after"]) == retry_after


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_failure_for_want_of_the_database_is_503_whatever_mlflow_makes_of_it(status: int) -> None:
    async def steps(world: World) -> None:
        assert is_refusal(await world.ask(status, fails=True))

    play(steps)


@pytest.mark.parametrize("status", [200, 404, 500, 503])
def test_every_other_answer_goes_out_as_it_is(status: int) -> None:
    async def steps(world: World) -> None:
        # A success is one, though on a second connection.
        start, body = await world.ask(status, fails=status == 200)
        assert (start, body["body"]) == (
            {"type": "http.response.start", "status": status, "headers": []},
            b"MLflow's own",
        )
        assert world.checked == 0

    play(steps)


def test_an_exception_is_503_only_for_want_of_the_database_and_before_an_answer_has_begun() -> None:
    async def steps(world: World) -> None:
        assert is_refusal(await world.ask(fails=True, raises=True))
        world.reason = None
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError):
            await world.ask(raises=True)
        with pytest.raises(RuntimeError):
            await world.ask(fails=True, raises=True, begun=True)

    play(steps)


def test_while_it_is_away_nothing_reaches_mlflow_and_the_pause_grows_with_the_outage() -> None:
    async def steps(world: World) -> None:
        await world.ask(500, fails=True)
        await asyncio.sleep(0.05)
        for after, told in ((1, 5), (7, 7), (59, 59), (600, 60)):
            world.now = 100 + after
            assert is_refusal(await world.ask(), told)
        assert (world.reached, world.renewed) == (1, 0)

    play(steps)


def test_when_it_is_back_pools_are_renewed_once_and_requests_go_on(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("tracking_server").propagate = True
    caplog.set_level(logging.WARNING)

    async def steps(world: World) -> None:
        await world.ask(500, fails=True)
        await asyncio.sleep(0.05)
        world.now, world.reason = 107.5, None
        await asyncio.sleep(0.05)
        assert (await world.ask())[0]["status"] == 200
        assert world.renewed == 1
        asked = world.checked
        await asyncio.sleep(0.05)
        assert world.checked == asked, "it is still asked"
        # The next outage is a new one.
        world.reason = AWAY
        assert is_refusal(await world.ask(500, fails=True))

    play(steps)
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == [f"the database is away: {AWAY}", "the database is back after 7.5 s"]


def test_a_lost_connection_to_a_database_that_is_there_keeps_nobody_out_and_renews_nothing() -> None:
    async def steps(world: World) -> None:
        world.reason = None
        assert is_refusal(await world.ask(500, fails=True))
        assert (await world.ask())[0]["status"] == 200
        await asyncio.sleep(0.05)
        assert (world.checked, world.renewed) == (1, 0)

    play(steps)


def test_a_request_that_was_let_in_before_is_told_and_nobody_else() -> None:
    async def steps(world: World) -> None:
        said: list[bool] = []

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            said.append(await asyncio.to_thread(away))
            await world.ask(500, fails=True)
            await asyncio.sleep(0.05)
            said.append(await asyncio.to_thread(away))
            await send({"type": "http.response.start", "status": 200, "headers": []})

        await world.outage.guard(app)({}, None, lambda _: asyncio.sleep(0))  # type: ignore[arg-type]
        assert said == [False, True]
        assert not away()

    play(steps)


def test_requests_side_by_side_do_not_take_each_others_losses() -> None:
    async def steps(world: World) -> None:
        world.reason = None
        answers = await asyncio.gather(*(world.ask(404, fails=number % 2 == 0) for number in range(10)))
        assert [sent[0]["status"] for sent in answers] == [503, 404] * 5

    play(steps)


class Lost(psycopg2.OperationalError):
    """Of a session that an administrator ended."""

    pgcode = "57P01"


class ReadOnly(psycopg2.InternalError):
    """Of a former primary."""

    pgcode = "25006"


class Deadlock(psycopg2.OperationalError):
    """Which is nobody's absence."""

    pgcode = "40P01"


@pytest.mark.parametrize(
    "error", [Lost, ReadOnly, Deadlock, psycopg2.ProgrammingError, psycopg2.IntegrityError]
)
def test_of_sqlalchemys_errors_those_of_an_absent_database_are_noted(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = error in {Lost, ReadOnly}
    noted: list[bool] = []
    monkeypatch.setattr(outage, "lost", lambda: noted.append(True))
    engine = create_engine("sqlite://")

    def fail(*_: object) -> None:
        raise error("as told")

    with engine.connect() as connection:
        # As if SQLite were Postgres.
        monkeypatch.setattr(engine.dialect, "loaded_dbapi", psycopg2)
        monkeypatch.setattr(engine.dialect, "do_execute", fail)
        with pytest.raises(sqlalchemy.exc.DBAPIError):
            connection.execute(text("SELECT 1"))
        assert connection.invalidated is away
    assert bool(noted) is away


def test_a_connection_that_cannot_be_opened_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[bool] = []
    monkeypatch.setattr(outage, "lost", lambda: noted.append(True))

    def refuse() -> None:
        raise psycopg2.OperationalError("Connection refused")

    engine = create_engine("postgresql+psycopg2://", creator=refuse)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        engine.connect()
    assert noted
