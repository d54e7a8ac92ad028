"""Compares a run with its baseline: what changed, and whether that is worse."""

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .bad_input import BadInputError
from .contract import Contract, MetricRule

if TYPE_CHECKING:
    from mlflow.entities import Run

Verdict = Literal["better", "worse", "same", "missing", "unknown"]
Asked = Iterable[str] | Mapping[str, str | MetricRule | None]
ROUNDING = 1e-12  # share of the baseline: 1 - 0.99 is a little more than 0.01
MEASUREMENTS = "system/"  # MLflow's own of the machine: no result


@dataclass(frozen=True)
class Row:
    """One metric; `relative` is None where it is undefined, `within` asks for no direction."""

    name: str
    value: float | None
    baseline: float | None
    absolute: float | None
    relative: float | None
    direction: str | None
    tolerance: float
    within: bool = False
    verdict: Verdict = "unknown"


@dataclass(frozen=True)
class ParamChange:
    """A parameter that differs; None: not logged."""

    name: str
    value: str | None
    baseline: str | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run beside its baseline."""

    run_id: str
    run_name: str
    baseline_id: str
    baseline_name: str
    selector: str
    rows: tuple[Row, ...]
    params: tuple[ParamChange, ...]

    @property
    def worse(self) -> bool:
        """Tell whether a metric with a direction is worse beyond its tolerance, or the run lacks it."""
        return any(
            row.verdict == "worse" or (row.value is None and row.direction is not None) for row in self.rows
        )

    @property
    def own_baseline(self) -> bool:
        """Tell whether the run is its own baseline."""
        return self.run_id == self.baseline_id

    def text(self) -> str:
        """Write it for a terminal."""
        from .comparison_table import text  # noqa: PLC0415 - it imports this module

        return text(self)

    def markdown(self) -> str:
        """Write it for a pull request."""
        from .comparison_table import markdown  # noqa: PLC0415 - same

        return markdown(self)

    def to_json(self) -> str:
        """Write it for a program; what JSON has no number for is "NaN", "Infinity" or "-Infinity"."""
        from .comparison_table import to_json  # noqa: PLC0415 - same

        return to_json(self)


def compare(
    run: "str | Run",
    baseline: str | None = None,
    metrics: Asked | None = None,
    tolerance: float | None = None,
) -> Comparison:
    """Compare a run with its baseline.

    Args:
        run: a run or its id.
        baseline: `tag=value` that one run of the experiment has, or a run's id; else the contract's.
        metrics: the names to compare, or their directions by name; else all.
        tolerance: the share of the baseline by which every metric may be worse; else the contract's.

    Raises:
        BadInputError: something is wrong, or no run or several are the baseline.
    """
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - heavy

    from . import baseline as baselines  # noqa: PLC0415 - same
    from . import contract  # noqa: PLC0415 - same
    from .contract_reader import tolerance_faults  # noqa: PLC0415 - same

    if tolerance is not None and (faults := tolerance_faults("tolerance", tolerance)):
        raise BadInputError(faults)
    client = MlflowClient()
    this = baselines.run(client, run if isinstance(run, str) else run.info.run_id)
    experiment = client.get_experiment(this.info.experiment_id)
    asked = contract.of(experiment) or Contract()
    selector = baseline if baseline is not None else asked.baseline
    if selector is None:
        mend = f"mlflow-team contract set --experiment {experiment.experiment_id} … --baseline num_trial=1"
        raise BadInputError(
            [f"experiment {experiment.name!r} names no baseline: --baseline num_trial=1, or {mend}"]
        )
    return beside(
        this, baselines.select(client, selector, experiment), selector, _rules(asked, metrics), tolerance
    )


def beside(
    this: "Run",
    that: "Run",
    selector: str,
    rules: tuple[Mapping[str, MetricRule], bool] = ({}, False),
    tolerance: float | None = None,
) -> Comparison:
    """Compare two runs at hand; `rules` with whether they alone are compared.

    Raises:
        BadInputError: a metric asked for by name is in neither run.
    """
    by_name, only = rules
    logged = sorted({*this.data.metrics, *that.data.metrics})
    if only and (absent := [name for name in by_name if name not in logged]):
        has = ", ".join(logged) or "none"
        raise BadInputError([f"metric {name!r} is in neither run, logged are: {has}" for name in absent])
    names = [*by_name, *(name for name in logged if not name.startswith(MEASUREMENTS) and not only)]
    rows = []
    for name in dict.fromkeys(names):
        rule = by_name.get(name, MetricRule())
        allowed = rule.tolerance if tolerance is None else tolerance
        rows.append(
            judge(name, this.data.metrics.get(name), that.data.metrics.get(name), rule.direction, allowed)
        )
    ours, theirs = this.data.params, that.data.params
    return Comparison(
        run_id=this.info.run_id,
        run_name=this.info.run_name or "",
        baseline_id=that.info.run_id,
        baseline_name=that.info.run_name or "",
        selector=selector,
        rows=tuple(rows),
        params=tuple(
            ParamChange(name, ours.get(name), theirs.get(name))
            for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)
        ),
    )


def judge(
    name: str,
    value: float | None,
    baseline: float | None,
    direction: str | None = None,
    tolerance: float = 0.0,
) -> Row:
    """Judge one metric; `tolerance` is a share of the baseline, so a baseline of 0 tolerates nothing."""
    if value is None or baseline is None:
        return Row(name, _read(value), _read(baseline), None, None, direction, tolerance, verdict="missing")
    now, before = _infinite(value), _infinite(baseline)
    absolute = 0.0 if now == before or (math.isnan(now) and math.isnan(before)) else now - before
    share = absolute / abs(before) if before and math.isfinite(before) else math.nan
    allowed = (tolerance + ROUNDING) * abs(before) if math.isfinite(before) else 0.0
    loss = -absolute if direction == "higher" else absolute
    verdict: Verdict = "same"
    if direction is None:
        verdict = "unknown"
    elif loss > allowed or (math.isnan(now) and not math.isnan(before)):
        verdict = "worse"
    elif -loss > allowed or (math.isnan(before) and not math.isnan(now)):
        verdict = "better"
    relative = share if math.isfinite(share) else None
    return Row(name, now, before, absolute, relative, direction, tolerance, abs(absolute) <= allowed, verdict)


def _read(value: float | None) -> float | None:
    return None if value is None else _infinite(value)


def _infinite(value: float) -> float:
    """Undo what MLflow's databases do to infinities: they keep the largest number."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else float(value)


def _rules(asked: Contract, metrics: Asked | None) -> tuple[Mapping[str, MetricRule], bool]:
    if metrics is None:
        return asked.metrics, False
    names = {metrics: None} if isinstance(metrics, str) else metrics
    wanted = names if isinstance(names, Mapping) else dict.fromkeys(names)
    rules: dict[str, MetricRule] = {}
    for name, said in wanted.items():
        known = asked.metrics.get(name, MetricRule())
        rules[name] = (
            said if isinstance(said, MetricRule) else MetricRule(said or known.direction, known.tolerance)
        )
    directions = {name: rule.direction for name, rule in rules.items()}
    if wrong := {name: said for name, said in directions.items() if said not in ("higher", "lower", None)}:
        raise BadInputError(
            [
                f"metric {name!r}: direction is {said!r}, allowed are 'higher' and 'lower'"
                for name, said in wrong.items()
            ]
        )
    return rules, True
