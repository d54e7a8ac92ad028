"""The tracking server, asked once: it answers, it is away, or it refuses."""

from typing import TYPE_CHECKING, Any

import requests
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import http_request
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_team import tags
from mlflow_team.background import undisturbed

from .reach import AwayError, Reach, RefusedError, innermost, judge
from .record import CREATE_EXPERIMENT, CREATE_MODEL, CREATE_RUN

if TYPE_CHECKING:
    from mlflow.store.tracking.rest_store import RestStore

EXISTS, MISSING = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"
# In a filter of MLflow's a quote would end the text; a local id has none.
SAME = f"tags.\"{tags.LOCAL_ID}\" = '{{}}'"


class Server:
    """Asks without MLflow's own retries, which take minutes."""

    def __init__(self, store: "RestStore", reach: Reach) -> None:
        self._store = store
        self.reach = reach

    def once(self, api: str, body: dict[str, Any] | None = None, *, endpoint: str | None = None) -> Any:
        """Ask; return MLflow's answer.

        Args:
            api: MLflow's name for the call, such as `LogBatch`.
            body: as MLflow sends it.
            endpoint: where the call has its ids in the path.

        Raises:
            AwayError: there was no answer, or none of MLflow's.
            RefusedError: MLflow will never do it.
        """
        self.reach.asked()
        try:
            return undisturbed(lambda: self._once(getattr(service_pb2, api), body, endpoint))
        except AwayError as error:
            error.pause = self.reach.failed(error)
            raise

    def _once(self, kind: Any, body: dict[str, Any] | None, endpoint: str | None) -> Any:
        path, method = self._store._METHOD_TO_INFO[kind]  # noqa: SLF001 - MLflow's table of its routes
        sent: dict[str, Any] = {"params" if method == "GET" else "json": body}
        try:
            if get_request_workspace() is not None:
                self._store._validate_workspace_support_if_specified()  # noqa: SLF001 - as MLflow does
            response: Any = http_request(
                self._store.get_host_creds(),
                endpoint or path,
                method,
                max_retries=0,
                timeout=self.reach.seconds,
                raise_on_status=False,
                **sent,
            )
        except MlflowException as error:
            if error.error_code == "FEATURE_DISABLED":
                raise RefusedError(error) from error
            raise AwayError(
                innermost(error), timeout=isinstance(error.__cause__, requests.Timeout)
            ) from error
        try:
            judge(response.status_code, response.headers, response.text)
        except RefusedError:
            self.reach.answered(response.headers)
            raise
        self.reach.answered(response.headers)
        answer = kind.Response()
        try:
            parse_dict(response.json() if response.text.strip() else {}, answer)
        except ValueError as error:
            raise AwayError(f"no answer of MLflow's: {error}"[:300]) from error
        return answer

    def run(self, run_id: str) -> Any:
        """Return a run as the server tells it."""
        return self.once("GetRun", {"run_id": run_id, "run_uuid": run_id}).run

    def model(self, model_id: str) -> Any:
        """Return a logged model as the server tells it."""
        endpoint = f"/api/2.0/mlflow/logged-models/{model_id}"
        return self.once("GetLoggedModel", {}, endpoint=endpoint).model

    def experiment(self, name: str) -> Any:
        """Return an experiment by its name, None when there is none."""
        try:
            return self.once("GetExperimentByName", {"experiment_name": name}).experiment
        except RefusedError as error:
            if error.code == MISSING:
                return None
            raise

    def create(self, api: str, body: dict[str, Any], local_id: str, *, again: bool) -> Any:
        """Create what is not there yet; return the answer.

        Args:
            api: `CreateRun`, `CreateExperiment` or `CreateLoggedModel`.
            body: as MLflow sends it.
            local_id: goes with it as a tag, so that it is found again.
            again: it may be there already.
        """
        if api == CREATE_EXPERIMENT:
            return self._create_experiment(body)
        if again and (found := self._find(api, body, local_id)) is not None:
            return found
        tag = {"key": tags.LOCAL_ID, "value": local_id}
        return self.once(api, {**body, "tags": [*body.get("tags", ()), tag]})

    def twins(self, experiment_id: str, local_id: str) -> list[str]:
        """Return the runs that were made under one local id."""
        body = {"experiment_ids": [experiment_id], "filter": SAME.format(local_id), "max_results": 100}
        return [run.info.run_id for run in self.once("SearchRuns", body).runs]

    def _create_experiment(self, body: dict[str, Any]) -> Any:
        answer = service_pb2.CreateExperiment.Response()
        known = self.experiment(body["name"])
        if known is None:
            try:
                return self.once(CREATE_EXPERIMENT, body)
            except RefusedError as error:
                known = self.experiment(body["name"]) if error.code == EXISTS else None
                if known is None:
                    raise
        answer.experiment_id = known.experiment_id
        return answer

    def _find(self, api: str, body: dict[str, Any], local_id: str) -> Any:
        experiment, same = str(body.get("experiment_id", "")), SAME.format(local_id)
        if api == CREATE_RUN:
            found = self.once(
                "SearchRuns", {"experiment_ids": [experiment], "filter": same, "max_results": 1}
            )
            return service_pb2.CreateRun.Response(run=found.runs[0]) if found.runs else None
        if api == CREATE_MODEL:
            found = self.once("SearchLoggedModels", {"experiment_ids": [experiment], "filter": same})
            return service_pb2.CreateLoggedModel.Response(model=found.models[0]) if found.models else None
        raise ValueError(api)
