"""A name that another team uses is as free as one that nobody uses."""

import pytest

from rehearsal.tests.isolation import foreign
from rehearsal.tests.isolation.entry import write
from rehearsal.tests.isolation.world import World

pytestmark = pytest.mark.rehearsal

OF = {"experiment_id": "{experiment}"}
# {experiment} is never foreign here: only the name is.
NAMED = (
    write("POST 2.0/mlflow/experiments/create", {"name": "{experiment_name}"}),
    write("POST 2.0/mlflow/experiments/update", {"experiment_id": "{new_experiment}", "new_name": "{dataset_name}"}),
    write("POST 2.0/mlflow/registered-models/create", {"name": "{model_name}"}),
    write("POST 2.0/mlflow/registered-models/rename", {"name": "{new_model_name}", "new_name": "{queue_name}"}),
    write("POST 3.0/mlflow/datasets/create", {"name": "{dataset_name}"}),
    write("POST 3.0/mlflow/scorers/register", {
        **OF, "name": "{scorer_name}", "serialized_scorer": '{"name": "s", "instructions_judge_pydantic_data": {}}',
    }),
    write("POST 3.0/mlflow/label-schemas/create", {
        **OF, "name": "{schema_name}", "type": "FEEDBACK", "input": {"text": {}},
    }),
    write("POST 3.0/mlflow/review-queues/create", {**OF, "name": "{queue_name}", "queue_type": "CUSTOM"}),
)  # fmt: skip
TAKEN = ("experiment_name", "model_name", "dataset_name", "scorer_name", "schema_name", "queue_name")


def test_name_of_another_team_is_free(world: World) -> None:
    cells = [
        foreign.cell(world, entry, entry.targets[0], (name,))
        for entry in NAMED
        for name in TAKEN
        if name in entry.names
    ]
    failed = world.ask("names", cells)
    assert not failed, "\n".join(failed)
