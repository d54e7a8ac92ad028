import json
from math import inf, isnan, nan
from typing import Any

import mlflow
import pytest
from mlflow.tracking import MlflowClient

import mlflow_team
from mlflow_team import tags
from mlflow_team.bad_input import BadInputError
from mlflow_team.comparison import Comparison, compare, judge


def make(
    name: str = "", baseline: str | None = None, params: dict[str, Any] | None = None, **metrics: float
) -> str:
    with mlflow.start_run(run_name=name or None, tags={"num_trial": baseline} if baseline else None) as run:
        mlflow.log_metrics(metrics)
        mlflow.log_params(params or {})
    return run.info.run_id


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {row.name: row.verdict for row in comparison.rows}


@pytest.mark.parametrize(
    ("value", "baseline", "direction", "tolerance", "verdict"),
    [
        (0.9, 1, "higher", 0, "worse"),
        (0.9, 1, "lower", 0, "better"),
        (1.1, 1, "higher", 0, "better"),
        (1.1, 1, "lower", 0, "worse"),
        (0.99, 1, "higher", 0.01, "same"),
        (0.9899, 1, "higher", 0.01, "worse"),
        (-1.01, -1, "higher", 0.01, "same"),
        (-1.02, -1, "higher", 0.01, "worse"),
        (-1.02, -1, "lower", 0.01, "better"),
        (0.1 + 0.2, 0.3, "lower", 0, "same"),
        (0.0, 0.0, "lower", 0, "same"),
        (1e-9, 0, "lower", 0.5, "worse"),
        (-1e-9, 0, "lower", 0.5, "better"),
        (nan, 1, "higher", 9, "worse"),
        (nan, 1, "lower", 9, "worse"),
        (1, nan, "lower", 0, "better"),
        (nan, nan, "lower", 0, "same"),
        (inf, inf, "lower", 0, "same"),
        (inf, 1, "lower", 9, "worse"),
        (inf, 1, "higher", 0, "better"),
        (1, inf, "higher", 9, "worse"),
        (-inf, inf, "higher", 9, "worse"),
        (nan, inf, "higher", 9, "worse"),
        (inf, nan, "lower", 0, "better"),
        (0.5, 1, None, 0, "unknown"),
        (nan, 1, None, 0, "unknown"),
        (None, 1, "higher", 0, "missing"),
        (1, None, "higher", 0, "missing"),
    ],
)
def test_a_metric_is_judged_by_its_direction_and_tolerance(
    value: float | None, baseline: float | None, direction: str | None, tolerance: float, verdict: str
) -> None:
    assert judge("m", value, baseline, direction, tolerance).verdict == verdict


@pytest.mark.parametrize(
    ("value", "baseline", "absolute", "relative"),
    [
        (1.5, 1, 0.5, 0.5),
        (-3, -2, -1, -0.5),
        (1, 0, 1, None),
        (0, 0, 0, None),
        (inf, 1, inf, None),
        (1, 1e-320, 1, None),
        (inf, inf, 0, None),
        (None, 1, None, None),
    ],
)
def test_a_relative_change_is_told_where_it_is_defined(
    value: float | None, baseline: float | None, absolute: float | None, relative: float | None
) -> None:
    row = judge("m", value, baseline)
    assert (row.absolute, row.relative) == (absolute, relative)


def test_within_holds_both_ways_whatever_the_direction() -> None:
    assert [judge("m", value, 1, None, 0.01).within for value in (0.99, 1.01, 1.02, 0.98, nan)] == [
        *(True, True, False, False, False)
    ]
    assert judge("m", nan, nan).within
    assert not judge("m", None, 1).within


def test_the_contract_says_what_is_better_and_what_the_baseline_is(tracking: MlflowClient) -> None:
    rules = '{"metrics": {"acc": {"direction": "higher", "tolerance": 0.1}}, "baseline": "num_trial=1"}'
    tracking.set_experiment_tag(mlflow.set_experiment("churn").experiment_id, tags.CONTRACT, rules)
    make(baseline="1", params={"lr": 1, "seed": 7, "old": 1}, acc=1, loss=1)
    run = make(params={"lr": 2, "seed": 7, "new": 1}, acc=0.95, loss=2)
    found = compare(run)
    assert mlflow_team.compare is compare
    assert verdicts(found) == {"acc": "same", "loss": "unknown"}
    assert [(it.name, it.value, it.baseline) for it in found.params] == [
        *(("lr", "2", "1"), ("new", "1", None), ("old", None, "1"))
    ]
    assert not found.worse
    assert compare(run, tolerance=0.01).worse
    assert verdicts(compare(run, metrics={"loss": "lower"})) == {"loss": "worse"}
    assert verdicts(compare(tracking.get_run(run), metrics=["acc"], tolerance=0)) == {"acc": "worse"}


def test_a_run_that_lacks_a_judged_metric_does_not_pass(tracking: MlflowClient) -> None:
    make(baseline="1", acc=1)
    found = compare(make(loss=1), "num_trial=1", {"acc": "higher", "loss": "lower"})
    assert verdicts(found) == {"acc": "missing", "loss": "missing"}
    assert found.worse
    assert not compare(make(loss=1), "num_trial=1").worse
    assert not compare(make(acc=1, loss=1), "num_trial=1", {"acc": "higher", "loss": "lower"}).worse


def test_numbers_that_are_none_survive_the_server(tracking: MlflowClient) -> None:
    make(baseline="1", a=inf, b=-inf, c=nan, d=1)
    found = compare(make(a=1, b=-inf, c=1, d=nan), "num_trial=1", dict.fromkeys("abcd", "higher"))
    assert verdicts(found) == {"a": "worse", "b": "same", "c": "better", "d": "worse"}
    rows = {row["name"]: row for row in json.loads(found.to_json())["rows"]}
    assert (rows["a"]["baseline"], rows["b"]["value"], rows["d"]["value"]) == ("Infinity", "-Infinity", "NaN")
    assert isnan(found.rows[3].absolute or 0)


def test_measurements_of_the_machine_are_no_results(tracking: MlflowClient) -> None:
    make(baseline="1", **{"system/cpu": 1, "acc": 1})
    run = make(**{"system/cpu": 2, "acc": 1})
    assert verdicts(compare(run, "num_trial=1")) == {"acc": "unknown"}
    assert verdicts(compare(run, "num_trial=1", ["system/cpu"])) == {"system/cpu": "unknown"}


def test_a_run_may_be_its_own_baseline(tracking: MlflowClient) -> None:
    found = compare(make(baseline="1", acc=nan), "num_trial=1", {"acc": "higher"})
    assert found.own_baseline
    assert not found.worse
    assert "is its own baseline" in found.text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"metrics": ["ac"]}, "metric 'ac' is in neither run, logged are: acc"),
        ({"metrics": {"acc": "up"}}, "direction is 'up'"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"tolerance": nan}, "tolerance is NaN"),
    ],
)
def test_what_cannot_be_compared_is_told(
    tracking: MlflowClient, arguments: dict[str, Any], said: str
) -> None:
    run = make(baseline="1", acc=1)
    with pytest.raises(BadInputError, match=said):
        compare(run, "num_trial=1", **arguments)


def test_without_a_baseline_the_command_that_names_one_is_told(tracking: MlflowClient) -> None:
    with pytest.raises(BadInputError, match="mlflow-team contract set"):
        compare(make(acc=1))
