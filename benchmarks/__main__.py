"""Compares our server with stock MLflow, at its defaults and tuned, pair by pair on one Postgres.

`python -m benchmarks [--pairs N] [SCENARIO…]`: all scenarios and five pairs unless told otherwise.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import artifact, results
from benchmarks.bounds import Bounds
from benchmarks.contestants import NAMES, Contestant
from benchmarks.installations import installed, megabytes
from benchmarks.results import Pair, Result
from benchmarks.scenarios import SCENARIOS
from benchmarks.seed import seed
from rehearsal.postgres import Postgres
from rehearsal.processes import NotReadyError

PAIRS = 5
START, MEMORY, SIZE = "start_to_ready", "memory_idle", "installed_size"
# Jobs' processes come up after the server has answered.
SETTLE_SECONDS = 15.0


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table and write it down; 1 when a server does not start or answers wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    every = [SIZE, START, MEMORY, *SCENARIOS, artifact.NAME]
    parser.add_argument("scenarios", nargs="*", default=every, choices=[*every, []])
    chosen = parser.parse_args(arguments)
    measured: list[Result] = []
    code = 0
    try:
        measured.extend(_results(chosen.scenarios or every, chosen.pairs))
    except (NotReadyError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        code = 1
    # The whole takes most of an hour: what was measured before a failure is kept.
    if measured:
        results.report(measured)
    return code


def _results(scenarios: Sequence[str], pairs: int) -> Iterator[Result]:
    pythons = installed()
    if SIZE in scenarios:
        sizes = {"ours": megabytes(pythons["ours"]), "stock_default": megabytes(pythons["stock_default"])}
        yield results.result(SIZE, "MB", [sizes], rate=False)
    if set(scenarios) == {SIZE}:
        return
    with Postgres(durable=True) as postgres:
        print("seeding", flush=True)
        seed(postgres, [f"bench_{name}" for name in NAMES])
        if START in scenarios or MEMORY in scenarios:
            yield from _starts(postgres, pythons, pairs)
        asked = [name for name in scenarios if name in SCENARIOS]
        if asked:
            yield from _asked(postgres, pythons, asked, pairs)
        if artifact.NAME in scenarios:
            yield from artifact.measured(postgres, pythons, pairs)


def _starts(postgres: Postgres, pythons: dict[str, Path], pairs: int) -> list[Result]:
    seconds: list[Pair] = []
    memory: list[Pair] = []
    # The first pair only warms the page cache.
    for pair in range(pairs + 1):
        took: dict[str, float] = {}
        held: dict[str, float] = {}
        for name in _turns(pair):
            # Leanest with one worker, whatever that costs it elsewhere.
            server = Contestant(name, pythons, postgres, workers=1)
            with server.started() as started:
                took[name] = started
                time.sleep(SETTLE_SECONDS)
                held[name] = server.mebibytes()
        print(f"start, pair {pair}: {took} s, {held} MiB", flush=True)
        if pair:
            seconds.append(took)
            memory.append(held)
    return [
        results.result(START, "s", seconds, rate=False),
        results.result(MEMORY, "MiB", memory, rate=False),
    ]


def _asked(
    postgres: Postgres, pythons: dict[str, Path], names: Sequence[str], pairs: int
) -> Iterator[Result]:
    with ExitStack() as stack:
        servers = {name: Contestant(name, pythons, postgres) for name in NAMES}
        for server in servers.values():
            stack.enter_context(server.started())
        time.sleep(SETTLE_SECONDS)
        for server in servers.values():
            server.pause()
            stack.callback(server.resume)
        bounds = Bounds(postgres, servers["ours"].database)
        for name in names:
            scenario = SCENARIOS[name]
            collected: list[Pair] = []
            for pair in range(pairs):
                numbers: dict[str, float] = {}
                for turn in _turns(pair):
                    servers[turn].resume()
                    numbers[turn] = scenario.measure(servers[turn])
                    servers[turn].pause()
                if scenario.bound:
                    numbers["bound"] = scenario.bound(bounds)
                print(f"{name}, pair {pair + 1}: {numbers}", flush=True)
                collected.append(numbers)
            yield results.result(name, scenario.unit, collected, rate=scenario.rate)


def _turns(pair: int) -> Sequence[str]:
    return NAMES if pair % 2 else NAMES[::-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
