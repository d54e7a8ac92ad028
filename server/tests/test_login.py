import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from server.tests.tokens import NOW, PLACE, token
from server.tracking_server import login as login_module
from server.tracking_server.budget import OF_A_KEY, OF_ALL, OF_AN_ADDRESS
from server.tracking_server.caller import Caller, Level
from server.tracking_server.identity import Identity
from server.tracking_server.login import AT_ONCE, BUSY, SLOW, Login, Request
from server.tracking_server.refusal import Refusal
from server.tracking_server.sts import SIGNATURE, UNAVAILABLE
from server.tracking_server.token import Token

ACCOUNT = "arn:aws:sts::123456789012"
WRITER = f"{ACCOUNT}:assumed-role/vision-writer/ada"
ADA = Caller(name="ada", team="vision", level=Level.WRITER)
BAD = Refusal(status=401, rule=SIGNATURE, message="")
STRANGER = Refusal(status=403, rule="role not of this stack", message="")


class World:
    """A login whose STS and access list answer as they are told."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.answer: str | Refusal = WRITER
        self.listed = True
        self.go = asyncio.Event()
        self.go.set()
        self.login = Login(PLACE, self.ask, self.admit, lambda: self.now)

    async def ask(self, _token: Token) -> str | Refusal:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        answer = self.answer
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        return answer

    def admit(self, who: Identity, _signed_at: float, _now: float) -> Caller | Refusal:
        return ADA if self.listed and who.role.name == "vision-writer" else STRANGER

    async def come(
        self,
        text: str | None,
        address: str = "192.0.2.1",
        host: str = PLACE.server_id,
        *,
        browser: bool = False,
    ) -> Caller | Refusal:
        headers = [] if text is None else [f"Bearer {text}"]
        request = Request(authorization=headers, host=host, address=address, browser=browser)
        caller, _ = await self.login.caller(request)
        return caller

    async def until(self, reason: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reason():  # noqa: ASYNC110 - what it waits for is no event of ours
                await asyncio.sleep(0)


def another(number: int) -> str:
    """Return one of many good tokens, each by another key."""
    scope = "%2F20261123%2Feu-west-1%2Fsts%2Faws4_request"
    return token(NOW, X_Amz_Signature=f"{number:064x}", X_Amz_Credential=f"ASIA{number:016d}{scope}")


def renewed(number: int) -> str:
    """Return another token of the key that signed token()."""
    return token(NOW, X_Amz_Signature=f"{number:064x}")


def play(steps: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Run a test's steps in a world of its own."""

    async def played() -> None:
        await steps(World())

    asyncio.run(played())


def rule(answer: Caller | Refusal) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.rule


def test_sts_is_asked_once_for_as_long_as_the_token_lives() -> None:
    async def steps(world: World) -> None:
        for _ in range(10):
            assert await world.come(token()) == ADA
        assert world.asked == 1
        world.now = NOW + 899
        assert await world.come(token()) == ADA
        world.now = NOW + 900
        assert rule(await world.come(token())) == "expired"
        assert world.asked == 1

    play(steps)


def test_a_token_with_a_shorter_life_is_not_remembered_longer() -> None:
    async def steps(world: World) -> None:
        assert await world.come(token(X_Amz_Expires="60")) == ADA
        world.now = NOW + 60
        assert rule(await world.come(token(X_Amz_Expires="60"))) == "expired"

    play(steps)


def test_no_login_is_told_how_to_log_in_and_a_browser_what_opens_it() -> None:
    async def steps(world: World) -> None:
        plain, browser = await world.come(None), await world.come(None, browser=True)
        assert isinstance(plain, Refusal)
        assert isinstance(browser, Refusal)
        assert (plain.status, browser.status) == (401, 401)
        assert "MLFLOW_TRACKING_AUTH=aws-role" in plain.message
        assert browser.message.endswith(": mlflow-team ui")
        assert world.asked == 0

    play(steps)


@pytest.mark.parametrize(
    "headers",
    [
        [""],
        ["Bearer"],
        ["Basic YWRhOng="],
        [token()],
        [f"bearer {token()}"],
        [f"Bearer {token()}", f"Bearer {token()}"],
        ["Bearer x", f"Bearer {token()}"],
    ],
)
def test_anything_but_one_bearer_token_is_none(headers: list[str]) -> None:
    async def steps(world: World) -> None:
        request = Request(authorization=headers, host="", address="", browser=False)
        caller, _ = await world.login.caller(request)
        assert rule(caller) == "no bearer token"

    play(steps)


def test_a_malformed_token_never_reaches_sts() -> None:
    async def steps(world: World) -> None:
        assert rule(await world.come(token(Action="AssumeRole"))) == "Action"
        assert world.asked == 0

    play(steps)


@pytest.mark.parametrize(
    "arn",
    [f"{ACCOUNT}:federated-user/ada", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/ada"],
)
def test_whoever_is_no_role_is_refused_and_remembered(arn: str) -> None:
    async def steps(world: World) -> None:
        world.answer = arn
        for _ in range(3):
            assert rule(await world.come(token())) == "no role"
        assert world.asked == 1

    play(steps)


def test_a_refused_token_is_asked_of_sts_once() -> None:
    async def steps(world: World) -> None:
        world.answer = BAD
        for _ in range(10):
            assert await world.come(token()) == BAD
        assert world.asked == 1

    play(steps)


def test_sts_that_does_not_answer_lets_nobody_in_and_is_asked_again() -> None:
    async def steps(world: World) -> None:
        world.answer = UNAVAILABLE
        assert await world.come(token()) == UNAVAILABLE
        world.answer = WRITER
        assert await world.come(token()) == ADA

    play(steps)


def test_a_role_that_is_taken_out_is_refused_though_its_token_is_remembered_and_let_in_again() -> None:
    async def steps(world: World) -> None:
        assert await world.come(token()) == ADA
        world.listed = False
        assert await world.come(token()) == STRANGER
        world.listed = True
        assert await world.come(token()) == ADA
        assert world.asked == 1

    play(steps)


def test_a_role_that_is_listed_later_comes_in_with_the_same_token_and_is_kept_with_the_teams() -> None:
    async def steps(world: World) -> None:
        world.listed = False
        assert await world.come(token()) == STRANGER
        assert (len(world.login._admitted), len(world.login._others)) == (0, 1)
        world.listed = True
        assert await world.come(token()) == ADA
        assert (len(world.login._admitted), len(world.login._others)) == (1, 0)

    play(steps)


def test_who_sts_names_is_told_for_the_log() -> None:
    async def steps(world: World) -> None:
        world.listed = False
        request = Request(authorization=[f"Bearer {token()}"], host="", address="", browser=False)
        _, identity = await world.login.caller(request)
        assert identity is not None
        assert (identity.role.name, identity.session) == ("vision-writer", "ada")

    play(steps)


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


def test_a_token_for_another_server_says_both_names_and_what_to_set() -> None:
    async def steps(world: World) -> None:
        world.answer = BAD
        refusal = await world.come(token(), host="localhost")
        assert isinstance(refusal, Refusal)
        assert refusal.rule == "server-id"
        assert "made for localhost, and this server is mlflow.example.com" in refusal.message
        assert refusal.message.endswith("export MLFLOW_TRACKING_URI=https://mlflow.example.com")
        assert await world.come(token(), host=PLACE.server_id) == BAD
        assert await world.come(token(), host="") == BAD

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
