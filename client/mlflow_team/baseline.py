"""Finds the one run that others are compared with."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import experiments
from .bad_input import BadInputError
from .contract_reader import selector_faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

LISTED = 20  # candidates in an error
# What MLflow's filter language holds between quotes without a way to escape; anything else is compared here.
_PLAIN = re.compile(r"[\w .:/@+,-]+")


def run(client: "MlflowClient", run_id: str) -> "Run":
    """Read an active run.

    Raises:
        BadInputError: there is none.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - heavy

    try:
        found = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise BadInputError(
            [f"no run {run_id!r} on this server: mlflow runs list --experiment-id <id>"]
        ) from None
    if found.info.lifecycle_stage != experiments.ACTIVE:
        raise BadInputError([f"run {run_id} is deleted: mlflow runs restore --run-id {run_id}"])
    return found


def select(client: "MlflowClient", selector: str, experiment: "Experiment") -> "Run":
    """Find the baseline by `tag=value` within the experiment, or anywhere by its id.

    Raises:
        BadInputError: it selects no run or several; the candidates are listed.
    """
    if faults := selector_faults("baseline", selector):
        raise BadInputError(faults)
    tag, equals, value = selector.partition("=")
    if not equals:
        return run(client, selector)
    where = f"tags.`{tag}` " + (f"= '{value}'" if _PLAIN.fullmatch(value) else "IS NOT NULL")
    found = [
        one
        for one in experiments.runs(client, experiment.experiment_id, where)
        if one.data.tags.get(tag) == value
    ]
    if len(found) == 1:
        return found[0]
    what = f"in experiment {experiment.name!r} baseline {selector!r} selects"
    if found:
        mend = f"leave the tag {tag!r} on one of them, or name it: --baseline <run id>"
        raise BadInputError([f"{what} {len(found)} runs, allowed is one:{_list(found, tag)}\n{mend}"])
    others = list(experiments.runs(client, experiment.experiment_id, f"tags.`{tag}` IS NOT NULL"))
    listed = (
        f"; runs with that tag:{_list(others, tag)}\n" if others else f", and no run has the tag {tag!r}: "
    )
    mend = f"mlflow.set_tag({tag!r}, {value!r}) in the run that is the baseline, or --baseline <run id>"
    raise BadInputError([f"{what} no active run{listed}{mend}"])


def start(found: "Run") -> str:
    """Write when a run began."""
    began = found.info.start_time
    return datetime.fromtimestamp(began / 1000, UTC).isoformat(timespec="seconds") if began else "not started"


def _list(found: "Sequence[Run]", tag: str) -> str:
    lines = [
        f"\n  {one.info.run_name}  {one.info.run_id}  {start(one)}  {tag}={one.data.tags.get(tag)}"
        for one in found[:LISTED]
    ]
    rest = f"\n  and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return "".join(lines) + rest
