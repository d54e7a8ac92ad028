"""`mlflow-team compare`: a run beside its baseline."""

import argparse
from typing import Any

from . import contract

NOT_WORSE, WORSE = 0, 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "compare",
        help="compare a run with its baseline",
        description="Exit code 0: nothing is worse, 1: a metric is worse beyond its tolerance or missing,"
        " 2: bad input."
        " A metric is judged when its direction is known, by --higher, --lower or the experiment's contract.",
    )
    parser.add_argument("run_id", metavar="RUN", help="a run's id")
    parser.add_argument("--baseline", metavar="TAG=VALUE", help="or a run's id (default: the contract's)")
    contract.add_metrics(parser)
    parser.add_argument("--tolerance", metavar="SHARE", help="of the baseline, for all metrics: 0.01 is 1 %%")
    parser.add_argument("--format", choices=("table", "markdown", "json"), default="table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparison.

    Raises:
        BadInputError: a run, a metric or the baseline is wrong.
    """
    from mlflow_team.comparison import compare  # noqa: PLC0415 - only here

    metrics = _metrics(options)
    # What is no number is told by compare, as to those who call it.
    tolerance: Any = None if options.tolerance is None else contract.number(options.tolerance)
    found = compare(options.run_id, options.baseline, metrics, tolerance)
    write = {"table": found.text, "markdown": found.markdown, "json": found.to_json}
    print(write[options.format]())
    return WORSE if found.worse else NOT_WORSE


def _metrics(options: argparse.Namespace) -> dict[str, Any] | None:
    from mlflow_team.contract import MetricRule  # noqa: PLC0415 - only here
    from mlflow_team.contract_reader import build  # noqa: PLC0415 - same

    named = contract.metrics(options)
    if not named:
        return None
    build({"metrics": named})
    return {
        name: MetricRule(**rule) if "tolerance" in rule else rule.get("direction")
        for name, rule in named.items()
    }
