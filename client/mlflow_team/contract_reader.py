"""Reads a contract that a person wrote: every fault at once."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .bad_input import BadInputError
from .contract import LONGEST, Contract, MetricRule

DIRECTIONS = ("higher", "lower")
ALLOWED = ("description", "input", "output", "parameters", "metrics", "report", "baseline")
LONGEST_NAME = 250  # characters: MLflow's
MOST = 1_000.0  # times the baseline
_NAME = re.compile(r"[/\w.\- :]+")  # MLflow's, of parameters, metrics and tags
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_HELP = "mlflow-team contract set --help"


def read(text: str) -> Contract:
    """Read a contract from JSON.

    Raises:
        BadInputError: it is none.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise BadInputError([f"received no JSON ({error}): {_HELP}"]) from None
    if not isinstance(said, dict):
        raise BadInputError([f"received {_shown(said)}, allowed is a JSON object: {_HELP}"])
    return build(said)


def build(said: Mapping[str, Any]) -> Contract:
    """Make a contract of what was said.

    Raises:
        BadInputError: something in it is wrong, or it asks for nothing.
    """
    faults = [
        f"{key!r} is nothing a contract asks for, allowed are {', '.join(ALLOWED)}: {_HELP}"
        for key in said
        if key not in ALLOWED
    ]
    faults += [fault for key, find in _FAULTS.items() if key in said for fault in find(key, said[key])]
    if faults:
        raise BadInputError(faults)
    contract = Contract(
        **{key: said[key] for key in ("description", "input", "output", "report", "baseline") if key in said},
        parameters=tuple(said.get("parameters", ())),
        metrics={name: MetricRule(**rule) for name, rule in said.get("metrics", {}).items()},
    )
    if contract == Contract():
        raise BadInputError([f"a contract that asks for nothing: {_HELP}; or mlflow-team contract clear"])
    if (length := len(contract.to_json())) > LONGEST:
        raise BadInputError(
            [f"the contract has {length} characters, allowed are {LONGEST}: name fewer parameters or metrics"]
        )
    return contract


def selector_faults(key: str, value: object) -> list[str]:
    """Say what is wrong with what should select a baseline: `tag=value`, or a run's id."""
    if isinstance(value, str):
        name, equals, _ = value.partition("=")
        if _is_name(name) if equals else _RUN_ID.fullmatch(value):
            return []
    return [f"{key} {_shown(value)} selects no run, allowed is <tag>=<value>, as num_trial=1, or a run's id"]


def _flag_faults(key: str, value: object) -> list[str]:
    return [] if isinstance(value, bool) else [f"{key} is {_shown(value)}, allowed are true and false"]


def _parameters_faults(key: str, value: object) -> list[str]:
    if not isinstance(value, list):
        return [f"{key} is {_shown(value)}, allowed is a list of names"]
    return [_bad_name("parameter", name) for name in value if not _is_name(name)] + [
        f"parameter {_shown(name)} is named twice: name it once"
        for at, name in enumerate(value)
        if name in value[:at]
    ]


def _metrics_faults(key: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [f'{key} is {_shown(value)}, allowed is {{"<name>": {{"direction": "higher"}}}}']
    return [fault for name, rule in value.items() for fault in _metric_faults(name, rule)]


def _metric_faults(name: str, rule: object) -> list[str]:
    faults = [] if _is_name(name) else [_bad_name("metric", name)]
    if not isinstance(rule, dict):
        return [*faults, f'metric {name!r} is {_shown(rule)}, allowed is {{"direction": …, "tolerance": …}}']
    faults += [
        f"metric {name!r} has {key!r}, allowed are direction and tolerance"
        for key in rule
        if key not in ("direction", "tolerance")
    ]
    direction = rule.get("direction")
    if direction is not None and direction not in DIRECTIONS:
        faults.append(f"metric {name!r}: direction is {_shown(direction)}, allowed are higher and lower")
    return faults + tolerance_faults(f"metric {name!r}: tolerance", rule.get("tolerance", 0))


def tolerance_faults(key: str, value: object) -> list[str]:
    """Say what is wrong with a share of the baseline."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST:
        return []
    return [f"{key} is {_shown(value)}, allowed is a share of the baseline, 0 to {MOST:g}: 0.01 is 1 %"]


def _report_faults(key: str, value: object) -> list[str]:
    if isinstance(value, str) and value and not set(value.split("/")) & {"", ".", ".."}:
        return []
    return [f"{key} is {_shown(value)}, allowed is an artifact's path such as reports/report.html"]


def _is_name(name: object) -> bool:
    return isinstance(name, str) and len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def _bad_name(what: str, name: object) -> str:
    return (
        f"{what} {_shown(name)} can be no name in MLflow, allowed are letters, digits, and /_-.: and the"
        f" space, at most {LONGEST_NAME}"
    )


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:80]}…"  # noqa: PLR2004 - one line of a terminal


_FAULTS: dict[str, Callable[[str, Any], list[str]]] = {
    "description": _flag_faults,
    "input": _flag_faults,
    "output": _flag_faults,
    "parameters": _parameters_faults,
    "metrics": _metrics_faults,
    "report": _report_faults,
    "baseline": selector_faults,
}
