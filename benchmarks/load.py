"""The client of a measurement, a process of its own: `python -m benchmarks.load`, told in JSON on stdin."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice, repeat
from typing import Any

KEYS = 10
# Of each connection, as many as eight of the largest send in four seconds.
READY = 100
OK = 200


def main() -> None:
    """Ask for so many seconds, or so often, over so many connections, and print what came."""
    print(json.dumps(asyncio.run(_load(json.load(sys.stdin)))))


async def _load(told: dict[str, Any]) -> dict[str, Any]:
    """Run each connection's requests one after the other, all connections at once.

    Args:
        told: port, headers, path, body (a name of BODIES or a text), each connection's run, and seconds or
            requests for each connection.
    """
    taken: list[float] = []
    errors: list[int] = []
    bodies = [_bodies(told, number) for number in range(told["connections"])]
    begun = time.perf_counter()
    deadline = begun + told["seconds"]
    await asyncio.gather(*(_connection(told, each, deadline, taken, errors) for each in bodies))
    seconds = time.perf_counter() - begun
    return {
        "done": len(taken),
        "errors": len(errors),
        "seconds": seconds,
        "median_ms": statistics.median(taken) * 1e3 if taken else None,
    }


async def _connection(
    told: dict[str, Any], bodies: Iterator[bytes], deadline: float, taken: list[float], errors: list[int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", told["port"], limit=2**26)
    head = "".join(f"{name}: {value}\r\n" for name, value in told["headers"].items())
    left = told.get("requests")
    while time.perf_counter() < deadline and left != 0:
        text = next(bodies)
        line = f"{told['method']} {told['path']} HTTP/1.1\r\n{head}Content-Length: {len(text)}\r\n\r\n"
        begun = time.perf_counter()
        # In two, as MLflow's client sends them by http.client.
        writer.write(line.encode())
        writer.write(text)
        if (status := await _status(reader)) == OK:
            taken.append(time.perf_counter() - begun)
        else:
            errors.append(status)
        left = None if left is None else left - 1
    writer.close()


def _bodies(told: dict[str, Any], number: int) -> Iterator[bytes]:
    """Return what a connection sends, the first of it ready: what is measured is the server."""
    texts = BODIES[told["body"]](told, number) if told["body"] in BODIES else repeat(told["body"])
    ready = [text.encode() for text in islice(texts, told.get("requests", READY))]
    return chain(ready, (text.encode() for text in texts))


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one answer, of a known length or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if found := head.partition(b"content-length:")[2]:
        await reader.readexactly(int(found.partition(b"\r\n")[0]))
    elif b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return int(head.split(b" ", 2)[1])


def _metric(told: dict[str, Any], number: int) -> Iterator[str]:
    run = told["runs"][number]
    step, now = _first_step(), int(time.time() * 1000)
    while True:
        step += 1
        yield f'{{"run_id":"{run}","key":"loss","value":{1 / step!r},"timestamp":{now + step},"step":{step}}}'


def _batches(size: int) -> Callable[[dict[str, Any], int], Iterator[str]]:
    def batches(told: dict[str, Any], number: int) -> Iterator[str]:
        run = told["runs"][number]
        step, now = _first_step(), int(time.time() * 1000)
        while True:
            metrics: list[str] = []
            for place in range(size):
                step += place % KEYS == 0
                value, time_ms = place / step, now + step
                metrics.append(
                    f'{{"key":"metric_{place % KEYS}","value":{value!r},"timestamp":{time_ms},"step":{step}}}'
                )
            yield f'{{"run_id":"{run}","metrics":[{",".join(metrics)}],"params":[],"tags":[]}}'

    return batches


def _first_step() -> int:
    """Return a step that no window before has come to."""
    return time.monotonic_ns() // 1000 % 10**12


BODIES: dict[str, Callable[[dict[str, Any], int], Iterator[str]]] = {
    "metric": _metric,
    "batch_10": _batches(10),
    "batch_100": _batches(100),
    "batch_1000": _batches(1000),
}


if __name__ == "__main__":
    main()
