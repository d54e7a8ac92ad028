"""What the runs of an experiment must record: declared once, as JSON in one tag of the experiment.

Loaded in each process that logs: nothing heavy at the top.
"""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import tags
from .bad_input import BadInputError
from .switches import Piece, on

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

LONGEST = 20_000  # characters: what MLflow takes as an experiment's tag
LONGEST_MARK = 5_000  # characters: every server takes that in a run's tag
DESCRIPTION = "mlflow.note.content"
CONTEXT = "mlflow.data.context"
OUTPUT_CONTEXT = "output"
_log = logging.getLogger("mlflow_team")


@dataclass(frozen=True)
class MetricRule:
    """How a metric is judged: `higher` or `lower` is better; by how much of the baseline it may be worse."""

    direction: str | None = None
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What must be recorded; nothing asked for is nothing missing."""

    description: bool = False
    input: bool = False
    output: bool = False
    parameters: tuple[str, ...] = ()
    metrics: Mapping[str, MetricRule] = field(default_factory=dict)
    report: str | None = None
    baseline: str | None = None

    def missing(self, run: "Run", artifacts: Collection[str] = ()) -> list[str]:
        """Name what the run lacks, `artifacts` being the paths that it has."""
        asked = {
            "description": self.description and not run.data.tags.get(DESCRIPTION, "").strip(),
            "input": self.input and not _has_input(run),
            "output": self.output and not _has_output(run),
            **{f"parameter {name}": name not in run.data.params for name in self.parameters},
            **{f"metric {name}": name not in run.data.metrics for name in self.metrics},
            f"report {self.report}": self.report is not None and self.report not in artifacts,
        }
        return [what for what, lacks in asked.items() if lacks]

    def to_json(self) -> str:
        """Write it down, without what it does not ask for."""
        asked: dict[str, Any] = {
            name: value
            for name in ("description", "input", "output", "report", "baseline")
            if (value := getattr(self, name))
        }
        if self.parameters:
            asked["parameters"] = list(self.parameters)
        if self.metrics:
            asked["metrics"] = {name: _rule_to_json(rule) for name, rule in self.metrics.items()}
        return json.dumps(asked, ensure_ascii=False)


def of(experiment: "Experiment") -> Contract | None:
    """Read an experiment's contract, if it has one.

    Raises:
        BadInputError: somebody wrote the tag by hand, and wrongly.
    """
    from .contract_reader import read  # noqa: PLC0415 - most experiments have none

    text = experiment.tags.get(tags.CONTRACT)
    if text is None:
        return None
    try:
        return read(text)
    except BadInputError as error:
        where = f"the contract of experiment {experiment.name!r}"
        raise BadInputError([f"{where}: {fault}" for fault in error.faults]) from None


def mark(run_id: str, _status: str = "") -> None:
    """Write on a run what its experiment's contract misses there; called when the run ends."""
    if not on(Piece.CONTRACT):
        return
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - heavy

    client = MlflowClient()
    run = client.get_run(run_id)
    contract = of(client.get_experiment(run.info.experiment_id))
    lacks = contract.missing(run, artifacts_of(client, run_id, contract)) if contract else []
    if lacks:
        client.set_tag(run_id, tags.CONTRACT_MISSING, _fitting(lacks))
        _log.warning("run %s lacks what its experiment asks for: %s", run_id, ", ".join(lacks))
    elif tags.CONTRACT_MISSING in run.data.tags:  # a resumed run that made up for it
        client.delete_tag(run_id, tags.CONTRACT_MISSING)


def artifacts_of(client: "MlflowClient", run_id: str, contract: Contract) -> list[str]:
    """List the paths beside the report, or none where no report is asked for."""
    if not contract.report:
        return []
    folder = contract.report.rpartition("/")[0]
    return [entry.path for entry in client.list_artifacts(run_id, folder or None)]


def _has_input(run: "Run") -> bool:
    return _has_param(run, tags.INPUT_DATA_PATH) or any(
        context != OUTPUT_CONTEXT for context in _contexts(run)
    )


def _has_output(run: "Run") -> bool:
    models = run.outputs.model_outputs if run.outputs else []
    return bool(models) or _has_param(run, tags.OUTPUT_DATA_PATH) or OUTPUT_CONTEXT in _contexts(run)


def _has_param(run: "Run", name: str) -> bool:
    return any(key.startswith(name) and value.strip() for key, value in run.data.params.items())


def _contexts(run: "Run") -> list[str | None]:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return [next((tag.value for tag in data.tags if tag.key == CONTEXT), None) for data in inputs]


def _rule_to_json(rule: MetricRule) -> dict[str, str | float]:
    return ({"direction": rule.direction} if rule.direction else {}) | (
        {"tolerance": rule.tolerance} if rule.tolerance else {}
    )


def _fitting(lacks: list[str]) -> str:
    """Write the list; the tail that MLflow would refuse becomes a count."""
    kept, text = list(lacks), json.dumps(lacks, ensure_ascii=False)
    while len(text) > LONGEST_MARK:
        kept.pop()
        text = json.dumps([*kept, f"and {len(lacks) - len(kept)} more"], ensure_ascii=False)
    return text
