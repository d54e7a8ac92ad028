"""`mlflow-team lineage`: which data and runs led to a run, and what was made of it."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_team.bad_input import BadInputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "lineage",
        help="follow a run's data to the runs that made or used them",
        description="Shows which runs made what a run used, and which used what it made, in all experiments.",
    )
    parser.add_argument("run_id", metavar="RUN", help="the run's id")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it too: .svg, .png or .pdf")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the lineage.

    Raises:
        BadInputError: there is no such run, or the picture cannot be drawn.
    """
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds, which --help does not need
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    from mlflow_team import lineage, lineage_picture  # noqa: PLC0415 - same

    client = MlflowClient()
    try:
        begin = client.get_run(options.run_id)
    except MlflowException as error:
        raise BadInputError([f"RUN is {options.run_id!r}: {error.message}: mlflow runs list"]) from None
    experiments = [each.experiment_id for each in client.search_experiments(max_results=10000)]
    found = lineage.follow(begin, lambda digest: _with(client, experiments, digest))
    print(lineage.text(found))
    if options.picture:
        lineage_picture.draw(found, options.picture)
        print(f"picture: {options.picture}")
    return 0


def _with(client: "MlflowClient", experiments: list[str], digest: str) -> Iterator["Run"]:
    """Yield the runs that have it on record; a digest with a quote in it is nobody's."""
    if "'" in digest:
        return
    token = ""
    while True:
        page = client.search_runs(
            experiments, f"dataset.digest = '{digest}'", max_results=1000, page_token=token or None
        )
        yield from page
        token = page.token
        if not token:
            return
