"""A login whose clock and STS are the test's."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from server.tests.tokens import NOW, PLACE, token
from server.tracking_server.caller import Caller, Level
from server.tracking_server.identity import Identity
from server.tracking_server.login import Login, Request
from server.tracking_server.refusal import Refusal
from server.tracking_server.sts import SIGNATURE
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
        self.not_before = 0.0
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

    def admit(self, who: Identity, signed_at: float, now: float) -> Caller | Refusal:
        listed = self.listed and min(signed_at, now) >= self.not_before
        return ADA if listed and who.role.name == "vision-writer" else STRANGER

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
