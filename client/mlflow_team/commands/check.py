"""`mlflow-team check`: the runs that lack what their experiment's contract asks for."""

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

    from mlflow_team.contract import Contract

DONE, LACKING = 0, 1
ENDED = ("FINISHED", "FAILED", "KILLED")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser(
        "check",
        help="list the runs that lack what their experiment's contract asks for",
        description="Exit code 0: no run lacks anything, 1: at least one does, 2: nothing could be checked.",
    )
    parser.add_argument("--experiment", metavar="E", help="name or id (default: all that have a contract)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look at every run that has ended.

    Raises:
        BadInputError: the experiment or a contract is wrong.
    """
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - heavy

    client = MlflowClient()
    checked = _contracts(client, options.experiment)
    lacking = [found for experiment, contract in checked for found in _lacking(client, experiment, contract)]
    if options.json:
        print(json.dumps(lacking, ensure_ascii=False, indent=2))
    else:
        _print(lacking)
    print(f"{len(checked)} experiments with a contract, {len(lacking)} runs lack something", file=sys.stderr)
    return LACKING if lacking else DONE


def _contracts(client: "MlflowClient", wanted: str | None) -> "list[tuple[Experiment, Contract]]":
    from mlflow_team import contract, experiments  # noqa: PLC0415 - only here
    from mlflow_team.bad_input import BadInputError  # noqa: PLC0415 - same

    faults: list[str] = []
    found: list[tuple[Experiment, Contract]] = []
    for experiment in [experiments.find(client, wanted)] if wanted else experiments.every(client):
        try:
            asked = contract.of(experiment)
        except BadInputError as error:
            faults += error.faults
            continue
        if asked is not None:
            found.append((experiment, asked))
        elif wanted:
            faults.append(
                f"experiment {experiment.name!r} has no contract:"
                f" mlflow-team contract set --experiment {experiment.experiment_id}"
            )
    if faults:
        raise BadInputError(faults)
    return found


def _lacking(
    client: "MlflowClient", experiment: "Experiment", contract: "Contract"
) -> "Iterator[dict[str, Any]]":
    from mlflow_team.contract import artifacts_of  # noqa: PLC0415 - only here
    from mlflow_team.experiments import runs  # noqa: PLC0415 - same

    for run in runs(client, experiment.experiment_id):
        info = run.info
        if info.status not in ENDED:
            continue
        if lacks := contract.missing(run, artifacts_of(client, info.run_id, contract)):
            yield {
                "experiment": experiment.name,
                "run_id": info.run_id,
                "name": info.run_name,
                "status": info.status,
                "start": datetime.fromtimestamp(info.start_time / 1000, UTC).isoformat(timespec="seconds"),
                "missing": lacks,
            }


def _print(lacking: "list[dict[str, Any]]") -> None:
    for found in lacking:
        print(
            f"{found['experiment']}  {found['name']}  {found['run_id']}  {found['status']}  {found['start']}"
            f"  lacks: {', '.join(found['missing'])}"
        )
