"""`mlflow-team contract`: what every run of an experiment must record."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_team import tags
from mlflow_team.bad_input import BadInputError

if TYPE_CHECKING:
    from mlflow_team.contract import Contract

DONE, NONE = 0, 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Say what the command takes."""
    parser = commands.add_parser("contract", help="declare what every run of an experiment must record")
    verbs = parser.add_subparsers(dest="verb", required=True)
    setting = verbs.add_parser("set", help="declare it, in place of what was declared before")
    showing = verbs.add_parser("show", help="print it as JSON, which set --file takes")
    clearing = verbs.add_parser("clear", help="ask for nothing any more")
    for verb in (setting, showing, clearing):
        verb.add_argument("--experiment", required=True, metavar="E", help="name or id")
    for flag in ("description", "input", "output"):
        setting.add_argument(f"--{flag}", action="store_true", help=f"runs must have {flag}")
    setting.add_argument("--parameter", action="append", default=[], metavar="NAME", help="may be repeated")
    add_metrics(setting)
    setting.add_argument("--report", metavar="PATH", help="artifact path, such as report.html")
    setting.add_argument("--baseline", metavar="TAG=VALUE", help="the one run that others are compared with")
    setting.add_argument("--file", metavar="JSON", help="the whole contract; - reads standard input")
    parser.set_defaults(run=run)


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Let a command take metrics with what is better."""
    parser.add_argument("--metric", action="append", default=[], metavar="NAME", help="a metric alone")
    for direction in ("higher", "lower"):
        parser.add_argument(
            f"--{direction}",
            action="append",
            default=[],
            metavar="NAME[=SHARE]",
            help=f"a metric of which {direction} is better; by which share of the baseline it may be worse",
        )


def metrics(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the metrics that were named.

    Raises:
        BadInputError: one is named twice.
    """
    named: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in options.metric]
    for direction in ("higher", "lower"):
        for text in getattr(options, direction):
            name, equals, share = text.rpartition("=") if "=" in text else (text, "", "")
            named.append((name, {"direction": direction} | ({"tolerance": number(share)} if equals else {})))
    names = [name for name, _ in named]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInputError([f"metric {name!r} is named twice: name it once" for name in twice])
    return dict(named)


def run(options: argparse.Namespace) -> int:
    """Set, show or clear.

    Raises:
        BadInputError: the contract or the experiment is wrong.
    """
    from mlflow_team import contract, experiments  # noqa: PLC0415 - only here

    declared = _declared(options) if options.verb == "set" else None
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - heavy

    client = MlflowClient()
    experiment = experiments.find(client, options.experiment)
    if declared is not None:
        client.set_experiment_tag(experiment.experiment_id, tags.CONTRACT, declared.to_json())
        print(f"experiment {experiment.name!r}: {declared.to_json()}")
        print(f"next: mlflow-team check --experiment {experiment.experiment_id}")
    elif tags.CONTRACT not in experiment.tags:
        print(f"experiment {experiment.name!r} has no contract: mlflow-team contract set", file=sys.stderr)
        return NONE if options.verb == "show" else DONE
    elif options.verb == "clear":
        client.delete_experiment_tag(experiment.experiment_id, tags.CONTRACT)
        print(f"experiment {experiment.name!r} asks for nothing any more")
    elif (found := contract.of(experiment)) is not None:
        print(found.to_json())
    return DONE


def number(text: str) -> float | str:
    """Read a number, or leave the text to who says what is allowed."""
    try:
        return float(text)
    except ValueError:
        return text


def _declared(options: argparse.Namespace) -> "Contract":
    from mlflow_team.contract_reader import build, read  # noqa: PLC0415 - only here

    flags: dict[str, Any] = {
        name: True for name in ("description", "input", "output") if options.__dict__[name]
    }
    flags |= {name: value for name in ("report", "baseline") if (value := options.__dict__[name]) is not None}
    if options.parameter:
        flags["parameters"] = options.parameter
    if judged := metrics(options):
        flags["metrics"] = judged
    if options.file is None:
        return build(flags)
    if flags:
        raise BadInputError(
            [f"--file holds the whole contract, received {', '.join(flags)} beside it: leave one"]
        )
    return read(_text(options.file))


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError([f"--file {name} cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise BadInputError([f"--file {name} is not UTF-8: save it as UTF-8"]) from None
