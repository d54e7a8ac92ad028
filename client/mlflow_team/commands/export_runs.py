"""`mlflow-team export`: an experiment's runs as a spreadsheet."""

import argparse
import importlib.util
from pathlib import Path

from mlflow_team.bad_input import BadInputError

from .import_runs import NO_EXTRA


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "export",
        help="export an experiment's runs to an .xlsx or .csv file",
        description="Parameters, the last value of each metric, tags, note and times of the active runs;"
        " no artifacts. `mlflow-team import` reads it back: what was changed in it is changed in the runs.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help=".xlsx or .csv, a new file")
    parser.add_argument("--experiment", required=True, metavar="NAME", help="its name, or its id")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file.

    Raises:
        BadInputError: there is no such experiment, or the file cannot be written.
    """
    if importlib.util.find_spec("openpyxl") is None:
        raise BadInputError([NO_EXTRA])
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds, which --help does not need

    from mlflow_team import experiments  # noqa: PLC0415 - same
    from mlflow_team.spreadsheet import exporting  # noqa: PLC0415 - same

    client = MlflowClient()
    found = experiments.find(client, options.experiment)
    print(f"reading the runs of {found.name!r}", flush=True)
    runs = list(experiments.runs(client, found.experiment_id))
    exporting.write(runs, options.file)
    print(f"{options.file}: {len(runs):,} runs")
    return 0
