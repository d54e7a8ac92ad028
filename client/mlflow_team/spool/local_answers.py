"""What this machine can answer in the server's place, of what it made itself or has seen."""

import json
import logging
import time
from typing import Any

from mlflow.protos import service_pb2
from mlflow.utils.name_utils import _generate_random_name  # the server's own choice
from mlflow.utils.proto_json_utils import parse_dict

from . import artifacts, folder
from .identities import LOCAL, Identities
from .journal import HEADER
from .mirror import Mirror

LOG = logging.getLogger("mlflow_team")
ACTIVE = "active"


class LocalAnswers:
    """Answers as MLflow's messages."""

    def __init__(self, identities: Identities, mirror: Mirror) -> None:
        self._identities = identities
        self._mirror = mirror

    def known(self, name: str, asked: dict[str, Any]) -> Any | None:
        """Return what only this machine can tell: of ids that are none of the server's yet."""
        ids = (asked.get(each) for each in ("run_id", "model_id", "experiment_id"))
        local = LOCAL.fullmatch(str(next(filter(None, ids), "")))
        return self.instead(name, asked) if local else None

    def instead(self, name: str, asked: dict[str, Any]) -> Any | None:
        """Return what the server would answer, None when nobody else can know."""
        known = {
            "GetRun": self._get_run,
            "GetMetricHistory": self._get_metric_history,
            "GetExperiment": self._get_experiment,
            "GetExperimentByName": self._get_experiment_by_name,
            "CreateExperiment": self._create_experiment,
            "GetLoggedModel": self._get_logged_model,
            "FinalizeLoggedModel": self._get_logged_model,
            "SetLoggedModelTags": lambda _: service_pb2.SetLoggedModelTags.Response(),
            "LogLoggedModelParamsRequest": lambda _: service_pb2.LogLoggedModelParamsRequest.Response(),
        }
        return known[name](asked) if name in known else None

    def _get_run(self, asked: dict[str, Any]) -> Any | None:
        run = self._mirror.run(asked["run_id"]) or self._of_another_process(asked["run_id"])
        return None if run is None else service_pb2.GetRun.Response(run=run)

    def _get_metric_history(self, asked: dict[str, Any]) -> Any | None:
        run, key = self._mirror.run(asked["run_id"]), asked["metric_key"]
        if run is None:
            return None
        # MLflow asks for it when a model is logged, which must not fail for want of it.
        LOG.warning("of metric %s only the last value is known here", key)
        last = [metric for metric in run.data.metrics if metric.key == key]
        return service_pb2.GetMetricHistory.Response(metrics=last)

    def _get_experiment(self, asked: dict[str, Any]) -> Any:
        experiment_id = asked["experiment_id"]
        told = _experiment(experiment_id, self._identities.name(experiment_id) or "")
        return service_pb2.GetExperiment.Response(experiment=told)

    def _get_experiment_by_name(self, asked: dict[str, Any]) -> Any:
        name = asked["experiment_name"]
        told = _experiment(self._identities.experiment(name), name)
        return service_pb2.GetExperimentByName.Response(experiment=told)

    def _create_experiment(self, asked: dict[str, Any]) -> Any | None:
        if asked.keys() - {"name"}:  # a place or tags of its own are only the server's to give
            return None
        experiment_id = self._identities.experiment(asked["name"])
        return service_pb2.CreateExperiment.Response(experiment_id=experiment_id)

    def _get_logged_model(self, asked: dict[str, Any]) -> Any | None:
        model = self._mirror.model(asked["model_id"])
        if model is None:
            return None
        if "status" in asked:
            parse_dict({"status": asked["status"]}, model.info)
        return service_pb2.GetLoggedModel.Response(model=model)

    def run(self, body: dict[str, Any], local_id: str) -> Any:
        """Return the answer to the creation of a run that has a local id."""
        answer = service_pb2.CreateRun.Response()
        name = body.get("run_name") or _generate_random_name()
        parse_dict(
            {
                "run_id": local_id,
                "run_uuid": local_id,
                "run_name": name,
                "experiment_id": str(body.get("experiment_id", "0")),
                "user_id": body.get("user_id", ""),
                "status": "RUNNING",
                "start_time": body.get("start_time", int(time.time() * 1000)),
                "artifact_uri": f"{artifacts.PREFIX}{local_id}/{artifacts.RUN_FOLDER}",
                "lifecycle_stage": ACTIVE,
            },
            answer.run.info,
        )
        parse_dict({"tags": body.get("tags", [])}, answer.run.data)
        self._mirror.learn(answer.run)
        return answer

    def model(self, body: dict[str, Any], local_id: str) -> Any:
        """Return the answer to the creation of a logged model that has a local id."""
        answer = service_pb2.CreateLoggedModel.Response()
        now = int(time.time() * 1000)
        parse_dict(
            {
                "model_id": local_id,
                "experiment_id": str(body.get("experiment_id", "0")),
                "name": body.get("name") or _generate_random_name(),
                "creation_timestamp_ms": now,
                "last_updated_timestamp_ms": now,
                "artifact_uri": f"{artifacts.PREFIX}{local_id}/{artifacts.MODEL_FOLDER}",
                "status": "LOGGED_MODEL_PENDING",
                "source_run_id": body.get("source_run_id", ""),
                **({"model_type": body["model_type"]} if "model_type" in body else {}),
            },
            answer.model.info,
        )
        parse_dict({"tags": body.get("tags", []), "params": body.get("params", [])}, answer.model.data)
        self._mirror.learn_model(answer.model)
        return answer

    def _of_another_process(self, run_id: str) -> Any | None:
        """Return a run that another process of this machine has begun, as far as its journal tells."""
        for path in folder.journals():
            if path.name.startswith(f"{run_id}.") and not path.name.endswith(folder.ARTIFACTS):
                header = json.loads((path / HEADER).read_text())
                started = int(header["begun"] * 1000)
                return self.run({"start_time": started, "run_name": run_id}, run_id).run
        return None


def _experiment(experiment_id: str, name: str) -> Any:
    return service_pb2.Experiment(experiment_id=experiment_id, name=name, lifecycle_stage=ACTIVE)
