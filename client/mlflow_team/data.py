"""What goes into a run and what comes out, as MLflow's datasets and as the parameters teams look for."""

import json
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from . import digest, tags
from .digest import Data, DataError

if TYPE_CHECKING:
    from mlflow.entities import Run

LOG = logging.getLogger("mlflow_team")

INPUT, OUTPUT = "input", "output"
CONTEXT = "mlflow.data.context"
DETAILS = "mlflow_team.data"
# A dataset's digest has 36 characters at most; 128 bits tell any two apart.
DIGEST_CHARACTERS = 32
# https://mlflow.org/docs/latest/api_reference/rest-api.html#inputtag: value of at most 500 characters.
LONGEST_DETAILS = 500
PARAMETERS = {
    (INPUT, False): tags.INPUT_DATA_PATH,
    (INPUT, True): tags.INPUT_DATA_PATH_S3,
    (OUTPUT, False): tags.OUTPUT_DATA_PATH,
    (OUTPUT, True): tags.OUTPUT_DATA_PATH_S3,
}

_parameters = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """Data that a run has on record.

    Attributes:
        name: how the run calls it.
        digest: what joins it to other runs: the first 32 digits of its SHA-256.
        context: INPUT, OUTPUT, or another word that MLflow's own `log_input` was given.
        data: what it was; None when MLflow's own `log_input` logged it.
    """

    name: str
    digest: str
    context: str
    data: Data | None


def track_input(
    address: str | os.PathLike[str], name: str | None = None, run_id: str | None = None
) -> Data | None:
    """Record data that goes into a run: digest, size, where it lies, S3's version.

    Args:
        address: a file, a folder, an s3:// object or what lies below an s3:// prefix; all of it is read.
        name: how the run calls it; the last part of the address by default.
        run_id: the run; the active one by default.

    Returns:
        What was recorded; None when it could not be, which is one warning in the log and no exception.
    """
    return _track(INPUT, address, name, run_id)


def track_output(
    address: str | os.PathLike[str], name: str | None = None, run_id: str | None = None
) -> Data | None:
    """Record data that comes out of a run, as `track_input` does what goes in."""
    return _track(OUTPUT, address, name, run_id)


def of(run: "Run") -> list[Tracked]:
    """Return what a run has on record."""
    found = []
    for each in run.inputs.dataset_inputs if run.inputs else ():
        told = {tag.key: tag.value for tag in each.tags}
        data = json.loads(told[DETAILS]) if DETAILS in told else None
        found.append(
            Tracked(
                name=each.dataset.name,
                digest=each.dataset.digest,
                context=told.get(CONTEXT, INPUT),
                data=Data(**data) if data else None,
            )
        )
    return found


def _track(
    context: str, address: str | os.PathLike[str], name: str | None, run_id: str | None
) -> Data | None:
    try:
        data = digest.read(address)
        _log(context, data, name, run_id)
    except Exception as error:  # noqa: BLE001 - the training goes on
        LOG.warning("%s %s is not on record: %s: %s", context, address, type(error).__name__, error)
        return None
    return data


def _log(context: str, data: Data, name: str | None, run_id: str | None) -> None:
    import mlflow  # noqa: PLC0415 - it loads this package
    from mlflow import MlflowClient  # noqa: PLC0415
    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

    if run_id is None:
        active = mlflow.active_run()
        if active is None:
            raise DataError("no run is active: mlflow.start_run() first, or run_id=…")
        run_id = active.info.run_id
    details = json.dumps(asdict(data), ensure_ascii=False)
    if len(details) > LONGEST_DETAILS:
        raise DataError(
            f"its address is {len(data.uri)} characters long, {len(details) - LONGEST_DETAILS} too many"
        )
    client = MlflowClient()
    client.log_inputs(
        run_id,
        datasets=[
            DatasetInput(
                Dataset(
                    name=name or data.uri.rstrip("/").rpartition("/")[2],
                    digest=data.sha256[:DIGEST_CHARACTERS],
                    source_type=data.kind,
                    source=json.dumps({"uri": data.uri, "sha256": data.sha256}, ensure_ascii=False),
                ),
                tags=[InputTag(CONTEXT, context), InputTag(DETAILS, details)],
            )
        ],
    )
    first = PARAMETERS[context, data.uri.startswith("s3://")]
    with _parameters:  # a parameter cannot be changed: two at once would want the same name
        known = client.get_run(run_id).data.params
        if data.uri not in (value for key, value in known.items() if key.startswith(first)):
            client.log_param(run_id, _free(first, known), data.uri)


def _free(first: str, known: Iterable[str]) -> str:
    """Return the name, or with _2, _3 when it is taken."""
    taken, number, name = set(known), 1, first
    while name in taken:
        number += 1
        name = f"{first}_{number}"
    return name
