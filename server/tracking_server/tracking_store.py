"""MLflow's tracking store that knows who asks, and lets a workspace reach nothing of another."""

import secrets
from collections.abc import Iterable
from typing import Any

import anyio.to_thread
from mlflow.entities import LoggedModelTag, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.tracing.constant import TraceTagKey
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION, MLFLOW_USER
from sqlalchemy import event, exists, select

from .artifact_location import is_inside, refusal
from .caller import CALLER

# The server writes them itself: they say where it reads a trace.
TRACE_LOCATIONS = {MLFLOW_ARTIFACT_LOCATION, TraceTagKey.ARCHIVE_LOCATION}
# The column is a 32-bit INTEGER; 0 is the experiment that MLflow starts with.
HIGHEST_EXPERIMENT_ID = 2**31 - 1

PENDING = "pending"  # of a review queue's item: nobody has done it


class TrackingStore(WorkspaceAwareSqlAlchemyStore):
    """MLflow's own, apart from three things.

    A location is taken below the workspace's prefix. Whoever made a thing is the caller, whatever the client
    says; what a client writes of it later is passed over, because plain scripts write it and must not break.
    And ids that MLflow takes unseen are looked up in the workspace first.
    """

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        """Create it where the caller says, below its own prefix."""
        location = (artifact_location or "").removesuffix("/")
        if location:
            self._check_location(location, "location of an experiment")
        # The parent's own refuses every location.
        return SqlAlchemyStore.create_experiment(self, name, location or None, tags)

    def create_run(self, experiment_id: str, user_id: str, start_time: int, tags: Any, run_name: str) -> Any:
        """Create it as the caller's."""
        if name := _caller():
            user_id = name
            tags = [*_without_user(tags), RunTag(MLFLOW_USER, name)]
        return super().create_run(experiment_id, user_id, start_time, tags, run_name)

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set it; the user stays who it is."""
        super().set_tag(run_id, self._with_user(run_id, [tag])[0])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete it; the user stays."""
        if key == MLFLOW_USER:
            self.get_run(run_id)
        else:
            super().delete_tag(run_id, key)

    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        """Log it, on models of the workspace."""
        self._check_models(metrics)
        super().log_batch(run_id, metrics, params, self._with_user(run_id, tags))

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Log it, on a model of the workspace."""
        self._check_models([metric])
        super().log_metric(run_id, metric)

    def create_logged_model(self, experiment_id: str, *arguments: Any, tags: Any = None, **named: Any) -> Any:
        """Create it as the caller's."""
        if name := _caller():
            tags = [*_without_user(tags), LoggedModelTag(MLFLOW_USER, name)]
        return super().create_logged_model(experiment_id, *arguments, tags=tags, **named)

    def set_logged_model_tags(self, model_id: str, tags: Any) -> None:
        """Set them; the user stays who it is."""
        super().set_logged_model_tags(model_id, _without_user(tags) if _caller() else tags)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Delete it; the user stays."""
        if key == MLFLOW_USER and _caller():
            self.get_logged_model(model_id)
        else:
            super().delete_logged_model_tag(model_id, key)

    def start_trace(self, trace_info: Any) -> Any:
        """Start it as the caller's, with assessments whose ids are new: one that is taken is somebody's."""
        trace_info.tags = _without_locations(trace_info.tags)
        trace_info.trace_metadata = _with_caller(trace_info.trace_metadata)
        for assessment in trace_info.assessments:
            assessment.assessment_id = None
        return super().start_trace(trace_info)

    def deprecated_start_trace_v2(
        self, experiment_id: str, timestamp_ms: int, request_metadata: Any, tags: Any
    ) -> Any:
        """Start it as the caller's."""
        return super().deprecated_start_trace_v2(
            experiment_id, timestamp_ms, _with_caller(request_metadata), _without_locations(tags)
        )

    def deprecated_end_trace_v2(
        self, request_id: str, timestamp_ms: int, status: Any, request_metadata: Any, tags: Any
    ) -> Any:
        """End it; who started it stays."""
        metadata = {key: value for key, value in dict(request_metadata).items() if key != MLFLOW_USER}
        return super().deprecated_end_trace_v2(
            request_id, timestamp_ms, status, metadata, _without_locations(tags)
        )

    async def log_spans_async(self, location: str, spans: list[Any]) -> list[Any]:
        """Log them in a thread of the requests': others would take connections that nobody counted."""
        return await anyio.to_thread.run_sync(self.log_spans, location, spans)

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Set it; where a trace lies, only below the workspace's prefix."""
        if key in TRACE_LOCATIONS:
            self._check_location(value, f"tag {key} of a trace")
        super().set_trace_tag(trace_id, key, value)

    def create_assessment(self, assessment: Any) -> Any:
        """Create it under an id of the server's: one that is taken is somebody's."""
        assessment.assessment_id = None
        return super().create_assessment(assessment)

    def create_issue(
        self,
        experiment_id: str,
        *arguments: Any,
        source_run_id: str | None = None,
        created_by: str | None = None,
        **named: Any,
    ) -> Any:
        """Create it as the caller's, from a run of the workspace."""
        if source_run_id:
            self.get_run(source_run_id)
        return super().create_issue(
            experiment_id,
            *arguments,
            source_run_id=source_run_id,
            created_by=_caller() or created_by,
            **named,
        )

    def create_dataset(self, name: str, tags: Any = None, experiment_ids: Any = None) -> Any:
        """Create it as the caller's, for experiments of the workspace."""
        for experiment_id in experiment_ids or []:
            self.get_experiment(experiment_id)
        return super().create_dataset(name, _with_caller(tags), experiment_ids)

    def set_dataset_tags(self, dataset_id: str, tags: Any) -> None:
        """Set them; the user stays who it is."""
        super().set_dataset_tags(
            dataset_id, {key: value for key, value in tags.items() if key != MLFLOW_USER or not _caller()}
        )

    def upsert_dataset_records(self, dataset_id: str, records: Any) -> Any:
        """Write them as the caller's."""
        mine = [{**record, "tags": _with_caller(record.get("tags"))} for record in records]
        return super().upsert_dataset_records(dataset_id, mine)

    def create_review_queue(self, experiment_id: str, *, created_by: str | None = None, **named: Any) -> Any:
        """Create it as the caller's."""
        return super().create_review_queue(experiment_id, created_by=_caller() or created_by, **named)

    def set_review_queue_item_status(
        self, queue_id: str, *, item_id: str, status: Any, completed_by: str | None = None
    ) -> Any:
        """Set it as the caller's; reopening an item names nobody."""
        if completed_by is not None or str(status) != PENDING:
            completed_by = _caller() or completed_by
        return super().set_review_queue_item_status(
            queue_id, item_id=item_id, status=status, completed_by=completed_by
        )

    def _check_location(self, uri: str, what: str) -> None:
        root, workspace = str(self.artifact_root_uri), self._get_active_workspace()
        if not is_inside(root, workspace, uri):
            raise MlflowException.invalid_parameter_value(refusal(root, workspace, uri, what))

    def _check_models(self, metrics: Iterable[Any]) -> None:
        """Raise what MLflow does of an unknown model: it would write on another workspace's."""
        for model_id in {metric.model_id for metric in metrics if metric.model_id}:
            self.get_logged_model(model_id, allow_deleted=True)

    def _with_user(self, run_id: str, tags: Any) -> Any:
        if not _caller() or all(tag.key != MLFLOW_USER for tag in tags):
            return tags
        user = RunTag(MLFLOW_USER, self.get_run(run_id).info.user_id)
        return [user if tag.key == MLFLOW_USER else tag for tag in tags]


@event.listens_for(SqlExperiment, "before_insert")
def _number_by_chance(_: Any, connection: Any, experiment: Any) -> None:
    """Leave MLflow's sequence, which runs through all workspaces: its gaps tell what others make."""
    while experiment.experiment_id is None or connection.scalar(
        select(exists().where(SqlExperiment.experiment_id == experiment.experiment_id))
    ):
        experiment.experiment_id = 1 + secrets.randbelow(HIGHEST_EXPERIMENT_ID)


def _caller() -> str | None:
    """Return the name of who asks; None while the server itself prepares its database."""
    caller = CALLER.get(None)
    return caller.name if caller else None


def _without_user(tags: Any) -> list[Any]:
    return [tag for tag in tags or [] if tag.key != MLFLOW_USER]


def _with_caller(values: Any) -> dict[str, Any]:
    return {**(values or {}), **({MLFLOW_USER: name} if (name := _caller()) else {})}


def _without_locations(tags: Any) -> dict[str, str]:
    return {key: value for key, value in dict(tags).items() if key not in TRACE_LOCATIONS}
