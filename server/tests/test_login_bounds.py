"""How often STS is asked, by how many at once, and who still comes in meanwhile."""

import asyncio
import time

import pytest

from server.tests.logins import ACCOUNT, ADA, BAD, WRITER, World, another, play, renewed
from server.tests.tokens import token
from server.tracking_server import login as login_module
from server.tracking_server.budget import OF_A_KEY, OF_ALL, OF_AN_ADDRESS
from server.tracking_server.login import AT_ONCE, BUSY, SLOW
from server.tracking_server.refusal import Refusal
from server.tracking_server.sts import UNAVAILABLE


def test_first_requests_at_once_share_one_question() -> None:
    async def steps(world: World) -> None:
        world.go.clear()
        coming = [asyncio.create_task(world.come(token())) for _ in range(50)]
        await world.until(lambda: world.asked > 0)
        world.go.set()
        assert await asyncio.gather(*coming) == [ADA] * 50
        assert world.asked == 1
        assert world.login._under_way == {}

    play(steps)


def test_one_who_came_first_and_left_does_not_fail_the_others() -> None:
    async def steps(world: World) -> None:
        world.go.clear()
        first = asyncio.create_task(world.come(token()))
        await world.until(lambda: world.asked == 1)
        second = asyncio.create_task(world.come(token()))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        world.go.set()
        assert await second == ADA
        assert world.asked == 1

    play(steps)


def test_sts_gets_so_many_questions_at_once() -> None:
    async def steps(world: World) -> None:
        world.go.clear()
        coming = [asyncio.create_task(world.come(another(number))) for number in range(5 * AT_ONCE)]
        await world.until(lambda: len(world.login._under_way) == 5 * AT_ONCE)
        await world.until(lambda: world.asked == AT_ONCE)
        world.go.set()
        assert set(await asyncio.gather(*coming)) == {ADA}
        assert world.most_at_once == AT_ONCE

    play(steps)


def test_so_many_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "MOST_WAITING", 20)

    async def steps(world: World) -> None:
        world.go.clear()
        coming = [asyncio.create_task(world.come(another(number))) for number in range(21)]
        await world.until(lambda: any(task.done() for task in coming))
        assert [task.result() for task in coming if task.done()] == [BUSY]
        world.go.set()
        await asyncio.gather(*coming)
        assert world.asked == 20

    play(steps)


def test_nobody_waits_for_sts_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "WAIT_SECONDS", 0.05)

    async def steps(world: World) -> None:
        world.go.clear()
        coming = [asyncio.create_task(world.come(another(number))) for number in range(AT_ONCE + 5)]
        assert set(await asyncio.gather(*coming)) == {UNAVAILABLE}
        assert world.at_once == 0

    play(steps)


@pytest.mark.parametrize(
    "answer", [BAD, UNAVAILABLE, f"{ACCOUNT}:assumed-role/quant/eve", f"{ACCOUNT}:user/eve"]
)
def test_a_flood_from_one_address_reaches_sts_so_often_and_leaves_the_verified_alone(
    answer: str | Refusal,
) -> None:
    async def steps(world: World) -> None:
        assert await world.come(another(0)) == ADA
        world.answer = answer
        answers = await asyncio.gather(*(world.come(another(n), "203.0.113.9") for n in range(1, 900)))
        assert answers.count(SLOW) == 899 - OF_AN_ADDRESS
        assert world.asked <= 1 + OF_AN_ADDRESS + AT_ONCE
        assert (SLOW.status, SLOW.retry_seconds) == (429, 60)
        asked = world.asked
        assert await world.come(another(0), "203.0.113.9") == ADA
        assert world.asked == asked
        world.answer = WRITER
        assert await world.come(another(1000), "192.0.2.1") == ADA

    play(steps)


def test_a_flood_from_a_few_addresses_reaches_sts_so_often_and_others_come_in_and_renew_their_logins() -> (
    None
):
    async def steps(world: World) -> None:
        assert await world.come(token(), "203.0.113.1") == ADA
        asked = world.asked
        world.answer = BAD
        for number in range(1, 4 * OF_ALL):
            await world.come(another(number), f"203.0.113.{number % 10 + 2}")
        for number in range(4 * OF_ALL, 5 * OF_ALL):
            await world.come(another(number), "203.0.113.1")
        assert world.asked - asked == OF_ALL + OF_AN_ADDRESS
        world.answer = WRITER
        assert await world.come(another(9000), "203.0.113.2") == SLOW
        assert await world.come(another(9001), "203.0.113.1") == SLOW
        assert await world.come(renewed(1), "203.0.113.1") == ADA
        assert await world.come(another(9002), "198.51.100.1") == ADA

    play(steps)


def test_a_process_with_ended_credentials_leaves_the_logins_of_its_address_to_the_others() -> None:
    async def steps(world: World) -> None:
        world.answer = BAD
        answers = [await world.come(renewed(number)) for number in range(10 * OF_AN_ADDRESS)]
        assert answers == [BAD] * OF_A_KEY + [SLOW] * (10 * OF_AN_ADDRESS - OF_A_KEY)
        assert world.asked == OF_A_KEY
        world.answer = WRITER
        assert await world.come(another(1)) == ADA

    play(steps)


def test_the_keys_of_who_logs_in_bear_that_sts_is_away() -> None:
    async def steps(world: World) -> None:
        world.answer = UNAVAILABLE
        for number in range(2 * OF_A_KEY):
            assert await world.come(renewed(number)) == UNAVAILABLE
        world.answer = WRITER
        assert await world.come(renewed(0)) == ADA

    play(steps)


def test_neither_good_nor_bad_tokens_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "MOST_ADMITTED", 5)
    monkeypatch.setattr(login_module, "MOST_OTHERS", 7)

    async def steps(world: World) -> None:
        for number in range(20):
            await world.come(another(number))
        world.answer = BAD
        for number in range(20, 40):
            await world.come(another(number))
        assert (len(world.login._admitted), len(world.login._others)) == (5, 7)
        asked = world.asked
        assert await world.come(another(19)) == ADA
        assert world.asked == asked

    play(steps)


def test_a_remembered_login_costs_less_than_a_hundredth_of_a_request() -> None:
    async def steps(world: World) -> None:
        text = token(X_Amz_Security_Token="A" * 1500)
        await world.come(text)
        began = time.perf_counter()
        for _ in range(1000):
            await world.come(text)
        assert time.perf_counter() - began < 0.1  # 100 us each; a request of MLflow's takes 10 ms

    play(steps)
