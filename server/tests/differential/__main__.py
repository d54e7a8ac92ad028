"""The long form: `python -m server.tests.differential CASES`; 1 when an answer or a row differs."""

import sys
import time
from collections import Counter

from server.tests.differential.pair import compare, started

CASES_EACH = 1000  # before both databases begin anew


def main(cases: int) -> int:
    asked, fast = 0, Counter[str]()
    with started("ours", "stock") as servers:
        first = int(time.time())
        for seed in range(first, first + -(-cases // CASES_EACH)):
            result = compare(servers, seed, CASES_EACH)
            asked, fast = asked + result.cases, fast + result.fast
            print(f"seed {seed}: {asked} cases, {fast.total()} answered by the fast path", flush=True)
            if result.differences:
                print("\n".join(result.differences[:10]))
                return 1
    print(
        f"{asked} cases, no answer and no row differs from MLflow's; answered by the fast path: {dict(fast)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
