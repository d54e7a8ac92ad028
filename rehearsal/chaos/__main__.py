"""`python -m rehearsal.chaos`: show with real faults that nothing logged is lost without being counted."""

import argparse
import itertools
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rehearsal.__main__ import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    BusyError,
    ending_in_order,
    forget_the_shell,
    only_one,
    working_folder,
)  # fmt: skip
from rehearsal.chaos.canary import CANARIES
from rehearsal.chaos.plan import Plan, Round
from rehearsal.chaos.proxy import TooManyRequestsError
from rehearsal.chaos.rounds import Rounds
from rehearsal.chaos.table import table
from rehearsal.chaos.verdict import Outcome
from rehearsal.processes import end_children
from rehearsal.stack import RehearsedStack
from rehearsal.steps import Steps

ROUNDS = 40
# It asks some thirty times, sync included; one that asks without end must not go on for ever.
REQUESTS_PER_PROCESS = 200
SHOWN = 10


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, deploy, run the rounds, print the table; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of eight training processes each")
    parser.add_argument("--seed", type=int, help="repeat what this seed planned; by default a new one")
    parser.add_argument("--canary", choices=CANARIES, help="break the client so that this must fail")
    arguments = parser.parse_args(words)
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    forget_the_shell()
    try:
        with ending_in_order(), only_one(), working_folder() as work:
            return _rehearse(work, seed, arguments.rounds, arguments.canary)
    except BusyError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\nchaos: ended; nothing is left running", file=sys.stderr)
        return INTERRUPTED


def _rehearse(work: Path, seed: int, number: int, canary: str | None) -> int:
    (work / "logs").mkdir()
    print(f"chaos: seed {seed}, {number} rounds; the stack is started", flush=True)
    stack = RehearsedStack(Steps(), folder=work, work=work)
    try:
        stack.start()
        planned = list(itertools.islice(Plan(seed).rounds(), number))
        outcomes, stopped = run(stack, work / "chaos", planned, canary=canary)
    finally:
        stack.close()
        end_children()
    print(f"\n{table(outcomes)}\n")
    broken = [(outcome, violation) for outcome in outcomes for violation in outcome.violations]
    for outcome, violation in broken[:SHOWN]:
        trial = outcome.trial
        print(f"chaos: {trial.name} ({trial.label}; {trial.death}): {violation}")
    if broken or stopped:
        again = f'make chaos ARGS="--rounds {number} --seed {seed}"'
        print(f"chaos: FAILED. {len(broken)} promises broken{stopped}; the same plan again: {again}")
        return FAILED
    print(f"chaos: passed, seed {seed}")
    return 0


def run(
    stack: RehearsedStack, folder: Path, planned: Sequence[Round], *, canary: str | None = None
) -> tuple[list[Outcome], str]:
    """Run rounds and say of each how it went; return the outcomes, and why it stopped before the end."""
    outcomes: list[Outcome] = []
    patches = [CANARIES[canary]] if canary else []
    most = REQUESTS_PER_PROCESS * sum(len(each.trials) for each in planned)
    with Rounds(stack, folder, most_requests=most, patches=patches) as rounds:
        for each in planned:
            begun = time.monotonic()
            try:
                of_round = rounds.run(each)
            except TooManyRequestsError as error:
                return outcomes, f", and {error}"
            outcomes += of_round
            print(_progress(each, of_round, rounds.proxy.requests, time.monotonic() - begun), flush=True)
    return outcomes, ""


def _progress(planned: Round, outcomes: Sequence[Outcome], requests: int, seconds: float) -> str:
    broken = sum(len(outcome.violations) for outcome in outcomes)
    what = planned.outage.name if planned.outage else f"{len({o.trial.label for o in outcomes})} faults"
    return (
        f"  round {planned.number:3}  {what:<15}  {sum(o.logged for o in outcomes):6,} values, "
        f"{sum(o.sent for o in outcomes):6,} sent, {sum(o.lost for o in outcomes):4} lost, "
        f"{requests:7,} requests so far, {seconds:3.0f} s" + (f"  BROKEN: {broken}" if broken else "")
    )


if __name__ == "__main__":
    sys.exit(main())
