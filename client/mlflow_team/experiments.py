"""Finds experiments, and their runs page by page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .bad_input import BadInputError

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

PAGE = 1_000
ACTIVE = "active"


def find(client: "MlflowClient", name_or_id: str) -> "Experiment":
    """Find an active experiment by its name, else by its id.

    Raises:
        BadInputError: there is none.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - heavy

    found = client.get_experiment_by_name(name_or_id)
    if found is None and name_or_id.isdecimal():
        try:
            found = client.get_experiment(name_or_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
    if found is None:
        raise BadInputError([f"no experiment {name_or_id!r} on this server: mlflow experiments search"])
    if found.lifecycle_stage != ACTIVE:
        mend = f"mlflow experiments restore --experiment-id {found.experiment_id}"
        raise BadInputError([f"experiment {name_or_id!r} is deleted: {mend}"])
    return found


def every(client: "MlflowClient") -> Iterator["Experiment"]:
    """Go through all active experiments."""
    page = client.search_experiments(max_results=PAGE)
    yield from page
    while page.token:
        page = client.search_experiments(max_results=PAGE, page_token=page.token)
        yield from page


def runs(client: "MlflowClient", experiment_id: str, where: str = "") -> Iterator["Run"]:
    """Go through the active runs of an experiment, newest first."""
    token = None
    while True:
        page = client.search_runs([experiment_id], where, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
