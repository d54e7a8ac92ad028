"""What is told about a run, the same for every service."""

import getpass
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from mlflow_team.bad_input import BadInputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

    from mlflow_team.comparison import Comparison, Row

MOST_METRICS = 8
LONGEST_NAME, LONGEST_VALUE = 80, 120  # characters: what a person reads on a phone
USER = "mlflow.user"
MEASUREMENTS = "system/"  # MLflow's own of the machine: no result


@dataclass(frozen=True)
class Metric:
    """A metric's last value; `change` against the baseline is empty without one."""

    name: str
    value: str
    change: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A run in a few lines.

    Attributes:
        state: MLflow's name of the run's status.
        duration: for people; empty before the run has started.
        baseline: name of the run that changes are told against; empty without one.
        link: address of the run's page; empty where no server shows one.
    """

    run_id: str
    name: str
    experiment: str
    state: str
    caller: str
    duration: str
    metrics: tuple[Metric, ...]
    more_metrics: int
    baseline: str
    link: str

    @property
    def title(self) -> str:
        """Return the line that a notification shows."""
        return f"{self.name} {self.state.lower()}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return what is known, by name."""
        known = {
            "Experiment": self.experiment,
            "State": self.state,
            "Duration": self.duration,
            "Caller": self.caller,
            "Baseline": self.baseline,
        }
        return [(name, value) for name, value in known.items() if value]

    @property
    def text(self) -> str:
        """Write it in plain lines."""
        lines = [self.title, *(f"{name}: {value}" for name, value in self.facts)]
        lines += [
            f"{metric.name}: {' '.join(part for part in (metric.value, metric.change) if part)}"
            for metric in self.metrics
        ]
        if self.more_metrics:
            lines.append(f"and {self.more_metrics} more metrics")
        return "\n".join([*lines, *([self.link] if self.link else [])])


def of(client: "MlflowClient", run: "Run") -> Message:
    """Say what there is to tell about a run.

    Args:
        client: reads the experiment and its baseline.
        run: as it is now.
    """
    experiment = client.get_experiment(run.info.experiment_id)
    comparison = _compared(run, experiment)
    names = [name for name in _by_interest(run, comparison) if not name.startswith(MEASUREMENTS)]
    rows = {row.name: row for row in comparison.rows} if comparison else {}
    return Message(
        run_id=run.info.run_id,
        name=short(run.info.run_name or run.info.run_id, LONGEST_NAME),
        experiment=short(experiment.name, LONGEST_VALUE),
        state=run.info.status,
        caller=short(run.data.tags.get(USER, ""), LONGEST_VALUE),
        duration=_duration(run),
        metrics=tuple(
            _metric(name, run.data.metrics.get(name), rows.get(name)) for name in names[:MOST_METRICS]
        ),
        more_metrics=max(0, len(names) - MOST_METRICS),
        baseline=short(comparison.baseline_name, LONGEST_NAME) if comparison else "",
        link=_link(run),
    )


def test() -> Message:
    """Say that the chat is reached."""
    nothing: dict[str, str] = dict.fromkeys(("run_id", "duration", "baseline", "link"), "")
    return Message(
        **nothing,
        name="mlflow-team chat test:",
        experiment="none, this is a test",
        state="REACHED",
        caller=getpass.getuser(),
        metrics=(),
        more_metrics=0,
    )


def short(text: str, most: int) -> str:
    """Keep a text on one line, and below so many characters."""
    seen = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


def _compared(run: "Run", experiment: "Experiment") -> "Comparison | None":
    """Compare with the baseline that the experiment's contract names, unless the run is that itself."""
    from mlflow_team import comparison, contract  # noqa: PLC0415 - they load MLflow

    try:
        asked = contract.of(experiment)
        if asked is None or asked.baseline is None:
            return None
        found = comparison.compare(run)
    except BadInputError:  # no run has the tag yet, or several: `mlflow-team compare` tells that
        return None
    return None if found.own_baseline else found


def _by_interest(run: "Run", comparison: "Comparison | None") -> Iterator[str]:
    """Yield the metrics: those with a direction first."""
    judged = [row.name for row in comparison.rows if row.direction] if comparison else []
    yield from judged
    yield from (name for name in sorted(run.data.metrics) if name not in judged)


def _metric(name: str, value: float | None, row: "Row | None") -> Metric:
    change = ""
    if row is not None and row.absolute is not None:
        share = "" if row.relative is None else f", {row.relative * 100:+.3g} %"
        told = f", {row.verdict}" if row.verdict in ("better", "worse") else ""
        change = f"({row.absolute:+.4g}{share}{told})"
    return Metric(short(name, LONGEST_NAME), "missing" if value is None else f"{value:.6g}", change)


def _duration(run: "Run") -> str:
    began = run.info.start_time
    if not began:
        return ""
    now = run.info.end_time or datetime.now(UTC).timestamp() * 1000
    return str(timedelta(seconds=math.floor(max(0, now - began) / 1000)))


def _link(run: "Run") -> str:
    """Return the address that MLflow itself prints for a run, workspace included."""
    import mlflow  # noqa: PLC0415 - it loads this package
    from mlflow.utils.workspace_context import get_request_workspace  # noqa: PLC0415 - same

    uri = mlflow.get_tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return ""
    workspace = get_request_workspace()
    asked = f"?workspace={quote(workspace, safe='')}" if workspace else ""
    page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}{asked}"
    return f"{without_login(uri).rstrip('/')}/{page}"


def without_login(uri: str) -> str:
    """Take out name and password, which an address may hold."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def escaped(text: str, marks: Sequence[str]) -> str:
    """Put a backslash before each of the marks."""
    return text.translate(str.maketrans({mark: f"\\{mark}" for mark in marks}))
