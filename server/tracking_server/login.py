"""Who a request's bearer token says it is: remembered until the token expires, else asked of STS once."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from . import budget, sts
from .budget import Bearer, Budget
from .caller import Caller
from .identity import Identity, identity_of
from .refusal import Refusal
from .token import BROWSER, NO_TOKEN, Place, Token, read

BEARER = "Bearer "
# Of 1 KB each. A team's clients renew theirs every ten minutes or so; beyond it the least used asks anew.
MOST_ADMITTED = 10_000
# On their own, so that strangers' tokens push out no team's.
MOST_OTHERS = 10_000
# At once with STS: each takes some 10 ms, so this is hundreds a second.
AT_ONCE = 10
# Waiting for STS, with up to 8 KiB each: a fleet of jobs that starts.
MOST_WAITING = 1_000
# In line and with STS.
WAIT_SECONDS = 10
BUSY = Refusal(
    status=503,
    rule="too many logins at once",
    message="Too many new logins at once; try again: sleep 2",
    retry_seconds=2,
)
SLOW = Refusal(
    status=429,
    rule="too many refused logins",
    message=f"Too many logins were refused in the last minute; mend why, then: sleep {budget.SECONDS}",
    retry_seconds=budget.SECONDS,
)

Admit = Callable[[Identity, float, float], Caller | Refusal]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What STS said of a token."""

    who: Identity | Refusal
    signed_at: float
    expires: float


@dataclass(frozen=True, kw_only=True)
class Request:
    """What of a request counts for its login.

    Attributes:
        authorization: every such header.
        host: the one it was sent to.
        address: whence it came.
        browser: whether a person looks at the answer.
    """

    authorization: Sequence[str]
    host: str
    address: str
    browser: bool


class Login:
    """Verified tokens of one process, and the questions under way."""

    def __init__(
        self,
        place: Place,
        ask: Callable[[Token], Awaitable[str | Refusal]],
        admit: Admit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place = place
        self._ask_sts = ask
        self._admit = admit
        self._clock = clock
        self._budget = Budget()
        self._admitted: LRUCache[bytes, Verdict] = LRUCache(MOST_ADMITTED)
        self._others: LRUCache[bytes, Verdict] = LRUCache(MOST_OTHERS)
        self._under_way: dict[bytes, asyncio.Task[Verdict | Refusal]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def caller(self, request: Request) -> tuple[Caller | Refusal, Identity | None]:
        """Return who asks, and who STS says it is where it said anything."""
        if not request.authorization:
            return Refusal(
                status=401, rule="no token", message=BROWSER if request.browser else NO_TOKEN
            ), None
        text = request.authorization[0]
        if len(request.authorization) > 1 or not text.startswith(BEARER):
            return Refusal(status=401, rule="no bearer token", message=NO_TOKEN), None
        text, now = text.removeprefix(BEARER), self._clock()
        digest = hashlib.sha256(text.encode()).digest()
        verdict = self._admitted.get(digest) or self._others.get(digest)
        if verdict is None or now >= verdict.expires:
            token = read(text, self._place, now)
            if isinstance(token, Refusal):
                return token, None
            verdict = await self._share(digest, token, request.address)
        if isinstance(verdict, Refusal):
            return verdict, None
        if isinstance(verdict.who, Refusal):
            return self._explained(verdict.who, request.host), None
        return self._judged(digest, verdict), verdict.who

    def _judged(self, digest: bytes, verdict: Verdict) -> Caller | Refusal:
        if isinstance(verdict.who, Refusal):
            return verdict.who
        admitted = self._admit(verdict.who, verdict.signed_at, self._clock())
        if isinstance(admitted, Caller) and self._others.pop(digest, None):
            self._admitted[digest] = verdict
        return admitted

    async def _share(self, digest: bytes, token: Token, address: str) -> Verdict | Refusal:
        task = self._under_way.get(digest)
        if task is None:
            bearer = (address, token.key)
            if self._budget.spent(bearer):
                return SLOW
            if len(self._under_way) >= MOST_WAITING:
                return BUSY
            task = asyncio.create_task(self._verify(digest, token, bearer))
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest))
        # Whoever came first may leave first: the others still wait for the answer.
        return await asyncio.shield(task)

    async def _verify(self, digest: bytes, token: Token, bearer: Bearer) -> Verdict | Refusal:
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._at_once:
                # Again: of those in line, only so many may fail.
                if self._budget.spent(bearer):
                    return SLOW
                answer = await self._ask_sts(token)
        except TimeoutError:
            return sts.UNAVAILABLE
        if isinstance(answer, Refusal) and answer.status == sts.UNAVAILABLE.status:
            self._budget.failed(bearer, by_key=False)
            return answer
        who = identity_of(answer) if isinstance(answer, str) else answer
        # A clock ahead must not carry a session that ends now past a team's not-before.
        signed_at = min(token.signed_at, self._clock())
        verdict = Verdict(who=who, signed_at=signed_at, expires=token.expires)
        self._others[digest] = verdict
        # STS knows every account's roles: a stranger's good token is a failure, too.
        if isinstance(self._judged(digest, verdict), Caller):
            self._budget.succeeded(bearer)
        else:
            self._budget.failed(bearer)
        return verdict

    def _explained(self, refusal: Refusal, host: str) -> Refusal:
        """Say it when the client knows the server by another name: its token is for that one."""
        own = self._place.server_id
        if refusal.rule != sts.SIGNATURE or host in {own, ""}:
            return refusal
        return Refusal(
            status=401,
            rule="server-id",
            message=f"The token was made for {host}, and this server is {own}: "
            f"export MLFLOW_TRACKING_URI=https://{own}",
        )
