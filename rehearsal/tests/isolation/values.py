"""What stands for the names in a request: a team's own things, new ones, and things that exist nowhere."""

import json
import re
import secrets
from collections.abc import Callable, Mapping

from rehearsal.tests.isolation.client import Api
from rehearsal.tests.isolation.entry import FRESH, Values
from rehearsal.tests.isolation.seed import SCORER, trace_info

Seeded = Mapping[str, str]
# Beyond the 32 bits of an experiment's number Postgres answers, not MLflow.
HIGHEST = 2**31 - 1
HEX = re.compile(r"[0-9a-f]{8,}")
# Beside these, every text is a team's own.
COMMON = {"metric", "tag", "param", "version", "alias", "file", "attachment", "icon", "any", "user", "mark"}


def fresh() -> str:
    """Return the name of something new, also usable as a trace's id."""
    return secrets.token_hex(16)


def nowhere(own: Seeded) -> dict[str, str]:
    """Return ids and names of the same shape and length that exist nowhere."""
    absent = "absent" if len(own["team"]) == len("absent") else "x" * len(own["team"])
    swaps = {own["team"]: absent, own["experiment"]: _number(len(own["experiment"]))}
    for value in own.values():
        for found in HEX.findall(value):
            swaps.setdefault(found, secrets.token_hex(len(found))[: len(found)])
    swap = re.compile("|".join(sorted(map(re.escape, swaps), key=len, reverse=True)))
    return {
        name: value if name in COMMON else swap.sub(lambda found: swaps[found[0]], value)
        for name, value in own.items()
    }


def _number(digits: int) -> str:
    """Return a number of an experiment that its column can hold."""
    highest = min(10**digits - 1, HIGHEST)
    return str(highest - secrets.randbelow(highest - 10 ** (digits - 1)))


def standing(own: Seeded, **instead: str) -> Values:
    """Return the values of a request that must not need anything new; `new_` things are the seeded ones."""
    given = {"fresh": fresh(), **own, **instead}
    return lambda name: given[name.removeprefix(FRESH)]


def making(own: Seeded, api: Api) -> Values:
    """Return the values of a request that is to succeed: what it changes or ends is made for it."""
    made: dict[str, str] = {"fresh": fresh()}

    def value(name: str) -> str:
        if name.startswith(FRESH) and name not in made:
            kind = name.removeprefix(FRESH)
            made[name] = MAKERS[kind](api, own)
        return made.get(name) or own[name]

    return value


def _experiment(api: Api, _: Seeded) -> str:
    about = {"name": fresh(), "tags": [{"key": "note", "value": "x"}]}
    return str(api("POST", "2.0/mlflow/experiments/create", about)["experiment_id"])


def _run(api: Api, own: Seeded) -> str:
    about = {"experiment_id": own["experiment"], "start_time": 1, "tags": [{"key": "note", "value": "x"}]}
    return str(api("POST", "2.0/mlflow/runs/create", about)["run"]["info"]["run_id"])


def _logged_model(api: Api, own: Seeded) -> str:
    about = {"experiment_id": own["experiment"], "name": "net", "tags": [{"key": "note", "value": "x"}]}
    return str(api("POST", "2.0/mlflow/logged-models", about)["model"]["info"]["model_id"])


def _model_name(api: Api, own: Seeded) -> str:
    name, tags = fresh(), [{"key": "note", "value": "x"}]
    api("POST", "2.0/mlflow/registered-models/create", {"name": name, "tags": tags})
    version = {"name": name, "source": own["run_uri"], "run_id": own["run"], "tags": tags}
    number = api("POST", "2.0/mlflow/model-versions/create", version)["model_version"]["version"]
    api(
        "POST", "2.0/mlflow/registered-models/alias", {"name": name, "alias": own["alias"], "version": number}
    )
    return name


def _trace(api: Api, own: Seeded) -> str:
    trace = f"tr-{fresh()}"
    api("POST", "3.0/mlflow/traces", {"trace": {"trace_info": trace_info(own["experiment"], trace, "x")}})
    return trace


def _assessment(api: Api, own: Seeded) -> str:
    about = {
        "assessment_name": "fine", "trace_id": own["trace"], "feedback": {"value": "x"},
        "source": {"source_type": "HUMAN", "source_id": own["user"]},
    }  # fmt: skip
    made = api("POST", f"3.0/mlflow/traces/{own['trace']}/assessments", {"assessment": about})
    return str(made["assessment"]["assessment_id"])


def _dataset(api: Api, own: Seeded) -> str:
    about = {"name": fresh(), "experiment_ids": [own["experiment"]], "tags": '{"note": "x"}'}
    return str(api("POST", "3.0/mlflow/datasets/create", about)["dataset"]["dataset_id"])


def _record(api: Api, own: Seeded) -> str:
    question = fresh()
    path = f"3.0/mlflow/datasets/{own['dataset']}/records"
    api("POST", path, {"records": json.dumps([{"inputs": {"question": question}}])})
    kept = json.loads(api("GET", f"{path}?max_results=1000")["records"])
    return str(next(r["dataset_record_id"] for r in kept if r["inputs"]["question"] == question))


def _scorer_name(api: Api, own: Seeded) -> str:
    name = fresh()
    about = {"experiment_id": own["experiment"], "name": name, "serialized_scorer": json.dumps(SCORER)}
    api("POST", "3.0/mlflow/scorers/register", about)
    return name


def _schema(api: Api, own: Seeded) -> str:
    about = {"experiment_id": own["experiment"], "name": fresh(), "type": "FEEDBACK", "input": {"text": {}}}
    return str(api("POST", "3.0/mlflow/label-schemas/create", about)["label_schema"]["schema_id"])


def _queue(api: Api, own: Seeded) -> str:
    about = {"experiment_id": own["experiment"], "name": fresh(), "queue_type": "CUSTOM"}
    return str(api("POST", "3.0/mlflow/review-queues/create", about)["review_queue"]["queue_id"])


def _issue(api: Api, own: Seeded) -> str:
    about = {"experiment_id": own["experiment"], "name": "slow", "description": "x"}
    return str(api("POST", "3.0/mlflow/issues", about)["issue"]["issue_id"])


MAKERS: dict[str, Callable[[Api, Seeded], str]] = {
    "experiment": _experiment,
    "run": _run,
    "logged_model": _logged_model,
    "model_name": _model_name,
    "trace": _trace,
    "trace_hex": lambda api, own: _trace(api, own).removeprefix("tr-"),
    "assessment": _assessment,
    "dataset": _dataset,
    "record": _record,
    "scorer_name": _scorer_name,
    "schema": _schema,
    "queue": _queue,
    "issue": _issue,
}
