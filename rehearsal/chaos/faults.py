"""What can go wrong between a training process and its server or S3: the catalogue of faults."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from aiohttp import web

from rehearsal.chaos.exchange import Answer, Exchange

Strike = Callable[[Exchange], Awaitable[web.StreamResponse]]
# A hung request is let go then, whether or not anybody still waits for the answer.
LONGEST_HANG_SECONDS = 25.0
SLOW_SECONDS = 1.5
S3_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'


class Service(StrEnum):
    """Which of a client's two lines a fault is on."""

    API = "the API"
    S3 = "S3"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail.

    Attributes:
        name: how the table calls it.
        service: the line it strikes.
        strike: what befalls a request.
        seconds: how long it lasts, at least and at most.
        share: which part of the requests it strikes.
        only: whether it strikes this method and this path with its query.
    """

    name: str
    service: Service
    strike: Strike
    seconds: tuple[float, float] = (1.0, 5.0)
    share: float = 1.0
    only: Callable[[str, str], bool] = lambda _method, _path: True

    def strikes(self, request: web.Request, random: Random) -> bool:
        """Tell whether this request is struck."""
        return self.only(request.method, request.raw_path) and random.random() < self.share


async def _reset(exchange: Exchange) -> web.StreamResponse:
    return exchange.cut()


async def _held(exchange: Exchange) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(exchange.healed.wait(), LONGEST_HANG_SECONDS)


async def _hang_then_go(exchange: Exchange) -> web.StreamResponse:
    await _held(exchange)
    return await exchange.send(await exchange.forward())


async def _hang_then_cut(exchange: Exchange) -> web.StreamResponse:
    await _held(exchange)
    return exchange.cut()


async def _slow(exchange: Exchange) -> web.StreamResponse:
    await asyncio.sleep(SLOW_SECONDS)
    answer = await exchange.forward()
    await asyncio.sleep(SLOW_SECONDS)
    return await exchange.send(answer)


async def _drop_the_answer(exchange: Exchange) -> web.StreamResponse:
    await exchange.forward()
    return exchange.cut()


async def _cut_the_answer(exchange: Exchange) -> web.StreamResponse:
    return await exchange.send(await exchange.forward(), share=0.5)


def _answering(status: int, body: str, **headers: str) -> Strike:
    answer = Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())

    async def strike(exchange: Exchange) -> web.StreamResponse:
        return await exchange.send(answer)

    return strike


def _refusing(code: str, status: int) -> Strike:
    return _answering(status, S3_ERROR.format(code=code), Content_Type="application/xml")


def _later_parts(method: str, path: str) -> bool:
    """Tell the parts of a multipart upload that follow its first."""
    return method == "PUT" and "partNumber=" in path and "partNumber=1&" not in path


API, S3 = Service.API, Service.S3
# Longer than the ten seconds for which a client may wait before it goes on alone.
LONG = (12.0, 15.0)
FAULTS = (
    Fault(name="API: connections reset", service=API, strike=_reset),
    Fault(name="API: every other connection reset", service=API, strike=_reset, share=0.5),
    Fault(name="API: hangs, then goes on", service=API, strike=_hang_then_go, seconds=LONG),
    Fault(name="API: hangs, then cut", service=API, strike=_hang_then_cut, seconds=LONG),
    Fault(name="API: 503", service=API, strike=_answering(503, "down")),
    Fault(name="API: 503, for long", service=API, strike=_answering(503, "down"), seconds=LONG),
    Fault(name="API: 503, Retry-After", service=API, strike=_answering(503, "down", Retry_After="2")),
    Fault(name="API: 429", service=API, strike=_answering(429, "slower")),
    Fault(name="API: 429, Retry-After", service=API, strike=_answering(429, "slower", Retry_After="2")),
    Fault(
        name="API: 500", service=API, strike=_answering(500, "<html>", Content_Type="text/html"), share=0.7
    ),
    Fault(name="API: 401", service=API, strike=_answering(401, "who?")),
    Fault(name="API: slow", service=API, strike=_slow),
    Fault(name="API: answer dropped after commit", service=API, strike=_drop_the_answer, share=0.7),
    Fault(name="API: answer cut off after commit", service=API, strike=_cut_the_answer, share=0.7),
    Fault(name="S3: connections reset", service=S3, strike=_reset),
    Fault(name="S3: hangs, then goes on", service=S3, strike=_hang_then_go, seconds=LONG),
    Fault(name="S3: 503 SlowDown", service=S3, strike=_refusing("SlowDown", 503)),
    Fault(name="S3: 500 InternalError", service=S3, strike=_refusing("InternalError", 500), share=0.7),
    Fault(name="S3: answer dropped after commit", service=S3, strike=_drop_the_answer, share=0.7),
    Fault(
        name="S3: session expired within an upload",
        service=S3,
        strike=_refusing("ExpiredToken", 400),
        only=_later_parts,
    ),
)
