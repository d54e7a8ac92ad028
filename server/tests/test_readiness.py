"""What `/ready` says, how long that takes, and how often it asks, with checks that the test makes."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg2
import pytest

from rehearsal.processes import listening_socket
from server.tracking_server import artifact_root, readiness
from server.tracking_server.readiness import (
    KEPT_SECONDS,
    Check,
    Once,
    Readiness,
    bucket_check,
    database_check,
)
from server.tracking_server.settings import Backend

BACKEND = Backend(
    region="eu-west-1",
    host="db.example",
    port=5432,
    database="mlflow",
    user="mlflow",
    artifact_root="s3://abc",
)


def asked(ready: Readiness) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    return asyncio.run(ask(ready))


async def ask(ready: Readiness) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await ready(send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


def always(wrong: str | None) -> Check:
    async def check() -> str | None:
        return wrong

    return check


def test_a_server_that_can_use_both_is_ready() -> None:
    status, headers, said = asked(Readiness({"database": always(None), "bucket": always(None)}))
    assert (status, said) == (200, {"ready": True})
    assert b"retry-after" not in headers
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize(
    "wrong", [{"database": "away"}, {"bucket": "denied"}, {"database": "away", "bucket": "denied"}]
)
def test_each_thing_that_is_wrong_is_named_with_its_reason(wrong: dict[str, str]) -> None:
    checks = {what: always(wrong.get(what)) for what in ("database", "bucket")}
    status, headers, said = asked(Readiness(checks))
    assert (status, said) == (503, {"ready": False, **wrong})
    assert headers[b"retry-after"] == str(KEPT_SECONDS).encode()


def test_it_asks_once_in_five_seconds_whoever_comes_and_then_again() -> None:
    now = 100.0
    count = 0

    async def ask_database() -> tuple[str, str] | None:
        nonlocal count
        count += 1
        await asyncio.sleep(0.05)
        return ("away", "away") if count == 1 else None

    async def steps() -> None:
        nonlocal now
        ready = Readiness({"database": Once("the database", ask_database)}, lambda: now)
        answers = await asyncio.gather(*(ask(ready) for _ in range(50)))
        assert ({status for status, _, _ in answers}, count) == ({503}, 1)
        now += KEPT_SECONDS - 0.1
        assert ((await ask(ready))[0], count) == (503, 1)
        now += 0.2
        assert ((await ask(ready))[0], count) == (200, 2)

    asyncio.run(steps())


def test_who_goes_away_does_not_end_the_question_of_the_others() -> None:
    async def slow() -> tuple[str, str] | None:
        await asyncio.sleep(0.1)
        return None

    async def steps() -> None:
        once = Once("the database", slow)
        first, second = asyncio.create_task(once()), asyncio.create_task(once())
        await asyncio.sleep(0.02)
        first.cancel()
        assert await second is None

    asyncio.run(steps())


def test_a_question_that_never_ends_is_no_answer_in_time_and_is_not_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "LATEST_SECONDS", 0.05)
    count = 0

    async def hang() -> tuple[str, str] | None:
        nonlocal count
        count += 1
        await asyncio.sleep(60)
        return None

    async def steps() -> None:
        once = Once("the bucket", hang)
        assert [await once() for _ in range(3)] == ["no answer in 3 s"] * 3
        assert count == 1

    asyncio.run(steps())


def test_strangers_get_a_few_words_and_the_log_the_whole_reason_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("tracking_server").propagate = True

    def fail(*_: object) -> None:
        raise artifact_root.ArtifactRootError("s3://abc cannot be used: S3 answers InternalError")

    monkeypatch.setattr(artifact_root, "check", fail)

    async def steps() -> None:
        check = bucket_check(BACKEND)
        for _ in range(3):
            assert await check() == "it cannot be listed"

    asyncio.run(steps())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "the artifact root: s3://abc cannot be used: S3 answers InternalError"


def opening(steps: Callable[[], Awaitable[Any]]) -> str | None:
    return asyncio.run(database_check(steps)())


def test_a_database_that_refuses_is_said_without_its_words() -> None:
    async def refuse() -> Any:
        raise OSError("no route to 10.42.7.9")

    assert opening(refuse) == "it cannot be logged in to"


def test_a_database_that_is_silent_is_said_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SECONDS", 0.2)
    with listening_socket() as silent:
        port = silent.getsockname()[1]

        async def begin() -> Any:
            return psycopg2.connect(host="127.0.0.1", port=port, async_=True)

        assert opening(begin) == "no answer in 3 s"
