"""Writes rows as runs: what is there already stays, what differs is changed, nothing is there twice."""

import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.utils import validation

from mlflow_team import experiments, tags
from mlflow_team.bad_input import BadInputError

from .columns import Kind
from .rows import Row

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

# At once with a server; MLflow's on a database of one's own takes one writer.
THREADS = 8
# Below the million bytes that MLflow takes in one request, which it counts as JSON.
BATCH_BYTES = 800_000
RUNNING, FINISHED = "RUNNING", "FINISHED"


@dataclass(kw_only=True)
class Change:
    """What a row needs to be a run.

    Attributes:
        run: the one it is already, or None.
        metrics: to be logged.
        params: same.
        tags: to be set.
        gone: tags to be deleted.
        name: a new one, or ''.
        status: a new one, or ''.
        artifacts_digest: of the artifacts that are to be uploaded, or ''.
        end: the end time differs.
        replaced: the run is deleted first, since MLflow cannot change this in it.
    """

    row: Row
    run: "Run | None" = None
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    name: str = ""
    status: str = ""
    artifacts_digest: str = ""
    end: bool = False
    replaced: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether anything is to be done."""
        return (
            self.run is None
            or any((self.metrics, self.params, self.tags, self.gone, self.name, self.status))
            or bool(self.artifacts_digest or self.end or self.replaced)
        )

    def text(self) -> str:
        """Return one line for people."""
        told = [
            *self.replaced,
            *(f"{kind} {name}" for kind, names in self._parts() for name in names),
            *(f"no {name}" for name in self.gone),
        ]
        run = f" run {self.run.info.run_id}" if self.run else ""
        return f"row {self.row.number}, {self.row.key!r}:{run} {', '.join(told)}"

    def _parts(self) -> Iterator[tuple[str, Iterable[str]]]:
        yield "metric", self.metrics
        yield "parameter", self.params
        yield "tag", self.tags
        yield "run name", [self.name] if self.name else []
        yield "status", [self.status] if self.status else []
        yield "end", ["time"] if self.end else []
        yield "artifacts", ["anew"] if self.artifacts_digest else []


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an import does.

    Attributes:
        experiment: its name.
        experiment_id: None where it is to be made.
        changes: of runs that are there.
        new: rows without a run.
        same: how many rows need nothing.
    """

    experiment: str
    experiment_id: str | None
    new: list[Change]
    changes: list[Change]
    same: int

    def text(self) -> str:
        """Return it for people."""
        made = "" if self.experiment_id else " (to be made)"
        replaced = sum(bool(change.replaced) for change in self.changes)
        counts = f"{len(self.new):,} new, {len(self.changes):,} changed, {self.same:,} as they are"
        return f"experiment {self.experiment!r}{made}: {counts}" + (
            f"; {replaced:,} made anew" if replaced else ""
        )


def plan(client: "MlflowClient", experiment: str, rows: Sequence[Row], *, replace: bool) -> Plan:
    """Hold the rows against what is there.

    Args:
        client: of the server.
        experiment: its name.
        rows: those of the sheet.
        replace: a run that MLflow cannot change so may be deleted and made anew.

    Raises:
        BadInputError: the experiment is deleted, or runs cannot become what their rows say.
    """
    found = client.get_experiment_by_name(experiment)
    experiment_id = experiments.find(client, experiment).experiment_id if found else None
    runs, faults = _runs(client, experiment_id, {row.key for row in rows}) if experiment_id else ({}, [])
    changes = [_change(row, runs.get(row.key)) for row in rows]
    if not replace:
        faults += [
            f"row {change.row.number}: MLflow cannot change {what} of run {change.run.info.run_id}; "
            "undo it in the sheet, or have such runs deleted and made anew: --replace"
            for change in changes
            if change.run
            for what in change.replaced
        ]
    if faults:
        raise BadInputError(faults)
    told = [change for change in changes if change]
    return Plan(
        experiment=experiment,
        experiment_id=experiment_id,
        new=[change for change in told if change.run is None],
        changes=[change for change in told if change.run is not None],
        same=len(changes) - len(told),
    )


def _runs(client: "MlflowClient", experiment_id: str, keys: set[str]) -> tuple[dict[str, "Run"], list[str]]:
    """Return the experiment's runs by key; an export's keys are run ids."""
    found: defaultdict[str, list[Run]] = defaultdict(list)
    for run in experiments.runs(client, experiment_id):
        key = run.data.tags.get(tags.IMPORT_KEY, run.info.run_id)
        if key in keys:
            found[key].append(run)
    faults = [
        f"runs {', '.join(run.info.run_id for run in runs)}: each is {key!r}; "
        f"delete all but one: mlflow runs delete --run-id {runs[0].info.run_id}"
        for key, runs in found.items()
        if len(runs) > 1
    ]
    return {key: runs[0] for key, runs in found.items()}, faults


def _change(row: Row, run: "Run | None") -> Change:
    digest = row.artifacts_digest()
    new = Change(
        row=row,
        metrics=row.metrics,
        params=row.params,
        tags=row.tags,
        name=row.name,
        status=row.status or FINISHED,
        artifacts_digest=digest,
    )
    if run is None:
        return new
    replaced = [*_unchangeable(row, run)]
    if replaced:
        new.run, new.replaced = run, replaced
        return new
    held = run.data
    return Change(
        row=row,
        run=run,
        metrics={
            name: value for name, value in row.metrics.items() if not _same(value, held.metrics.get(name))
        },
        params={name: value for name, value in row.params.items() if name not in held.params},
        tags={name: value for name, value in row.tags.items() if held.tags.get(name) != value},
        gone=sorted(name for kind, name in row.emptied if kind is Kind.TAG and held.tags.get(name)),
        name=row.name if row.name != run.info.run_name else "",
        status=_status(row, run),
        artifacts_digest=digest if held.tags.get(tags.IMPORT_ARTIFACTS, "") != digest else "",
        end=row.end_ms is not None and row.end_ms != run.info.end_time,
    )


def _status(row: Row, run: "Run") -> str:
    # An import that was interrupted left it running.
    told = row.status or (FINISHED if run.info.status == RUNNING else run.info.status)
    return told if told != run.info.status else ""


def _unchangeable(row: Row, run: "Run") -> Iterator[str]:
    """Yield what the row says otherwise and MLflow has no call for."""
    held = run.data
    for name, value in row.params.items():
        if held.params.get(name, value) != value:
            yield f"parameter {name!r} from {held.params[name]!r} to {value!r}"
    for kind, name in sorted(row.emptied):
        if kind is Kind.PARAMETER and held.params.get(name):
            yield f"parameter {name!r} from {held.params[name]!r} to nothing"
        if kind is Kind.METRIC and name in held.metrics:
            yield f"metric {name!r} from {held.metrics[name]} to nothing"
    if row.start_ms is not None and row.start_ms != run.info.start_time:
        yield f"start time from {run.info.start_time} ms to {row.start_ms} ms"


def _same(told: float, held: float | None) -> bool:
    """Compare as MLflow keeps numbers: an infinite one is its database's largest."""
    if held is None:
        return False
    if math.isinf(told):
        return math.copysign(1, told) == math.copysign(1, held) and abs(held) >= sys.float_info.max * 0.99
    return told == held or (math.isnan(told) and math.isnan(held))


def write(client: "MlflowClient", todo: Plan, done: Callable[[], object], *, threads: int) -> None:
    """Write what the plan says; what fails ends it, and the next import goes on from there.

    Args:
        client: of the server.
        todo: what is to be done.
        done: called after each run.
        threads: runs at once.

    Raises:
        mlflow.exceptions.MlflowException: the server refuses, or is away.
    """
    experiment_id = todo.experiment_id or client.create_experiment(todo.experiment)

    def one(change: Change) -> None:
        _write(client, experiment_id, change)
        done()

    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            pending = [pool.submit(one, change) for change in (*todo.new, *todo.changes)]
            finished, _ = wait(pending, return_when=FIRST_EXCEPTION)
            for each in finished:
                each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write(client: "MlflowClient", experiment_id: str, change: Change) -> None:
    row, run = change.row, change.run
    if run is not None and change.replaced:
        client.delete_run(run.info.run_id)
        run = None
    now = int(time.time() * 1000)
    known = {**change.tags}
    if run is None:
        # The row's own tags follow: one of a command would make it a script's run.
        run = client.create_run(
            experiment_id,
            start_time=row.start_ms
            if row.start_ms is not None
            else (row.end_ms if row.end_ms is not None else now),
            tags={tags.IMPORT_KEY: row.key},
            run_name=row.name or None,
        )
        stamp = row.end_ms if row.end_ms is not None else run.info.start_time
    else:
        # After what it had: the newest is the one that MLflow shows.
        stamp = max(now, run.info.end_time or 0) + 1
    run_id = run.info.run_id
    entities = [
        *(Metric(name, value, stamp, 0) for name, value in change.metrics.items()),
        *(Param(name, value) for name, value in change.params.items()),
        *(RunTag(name, value) for name, value in known.items()),
    ]
    for metrics, params, some_tags in batches(entities):
        client.log_batch(run_id, metrics, params, some_tags, synchronous=True)
    for name in change.gone:
        client.delete_tag(run_id, name)
    _upload(client, run_id, change)
    _finish(client, run, change)


def _upload(client: "MlflowClient", run_id: str, change: Change) -> None:
    if not change.artifacts_digest:
        return
    for path in change.row.artifacts:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))
    client.set_tag(run_id, tags.IMPORT_ARTIFACTS, change.artifacts_digest)


def _finish(client: "MlflowClient", run: "Run", change: Change) -> None:
    """Tell how and when it ended; without a time, the run took none."""
    told = change.status or run.info.status
    if RunStatus.is_terminated(RunStatus.from_string(told)) and (change.status or change.end):
        end = change.row.end_ms if change.row.end_ms is not None else run.info.end_time or run.info.start_time
        client.set_terminated(run.info.run_id, told, end)
    elif change.status and change.status != run.info.status:
        client.update_run(run.info.run_id, status=change.status)
    if change.name and change.name != run.info.run_name:
        client.update_run(run.info.run_id, name=change.name)


def batches(
    entities: Iterable[Metric | Param | RunTag],
) -> Iterator[tuple[list[Metric], list[Param], list[RunTag]]]:
    """Yield them in parts that MLflow takes in one request."""
    limits = {
        Metric: validation.MAX_METRICS_PER_BATCH,
        Param: validation.MAX_PARAMS_TAGS_PER_BATCH,
        RunTag: validation.MAX_PARAMS_TAGS_PER_BATCH,
    }
    part: dict[type, list] = {kind: [] for kind in limits}
    size = 0
    for entity in entities:
        kind = type(entity)
        cost = len(json.dumps(dict(entity)))
        count = sum(map(len, part.values()))
        full = len(part[kind]) == limits[kind] or count == validation.MAX_ENTITIES_PER_BATCH
        if full or size + cost > BATCH_BYTES:
            yield part[Metric], part[Param], part[RunTag]
            part, size = {kind: [] for kind in limits}, 0
        part[kind].append(entity)
        size += cost
    if any(part.values()):
        yield part[Metric], part[Param], part[RunTag]
