"""Evaluation datasets, scorers, label schemas, review queues and issues."""

import json

from rehearsal.tests.isolation.entry import read, write
from rehearsal.tests.isolation.seed import SCORER

OF = {"experiment_id": "{experiment}"}
RECORD = '[{"inputs": {"question": "{fresh}"}}]'
ITEMS = {"queue_id": "{queue}", "item_ids": ["{new_trace}"]}
ADD = write("POST 3.0/mlflow/review-queues/items/add", {**ITEMS, "item_type": "TRACE"})
SCHEMA = {**OF, "name": "{fresh}", "type": "FEEDBACK", "input": {"text": {}}}
DATASET = "GET 3.0/mlflow/datasets/{new_dataset}"
LOOK = "GET 3.0/mlflow/label-schemas/get?schema_id={new_schema}"
VERSIONS = "GET 3.0/mlflow/scorers/versions?experiment_id={experiment}&name={new_scorer_name}"
QUEUE = {**OF, "name": "{fresh}", "queue_type": "CUSTOM", "users": ["{user}"]}
JUDGE = json.dumps(SCORER | {"name": "{fresh}"})
REGISTER = write(
    "POST 3.0/mlflow/scorers/register",
    {**OF, "name": "{fresh}", "serialized_scorer": JUDGE},
    shows="fresh",
)

ENTRIES = (
    write("POST 3.0/mlflow/datasets/create", {"name": "{fresh}"}, shows="fresh"),
    write(
        "POST 3.0/mlflow/datasets/create",
        {"name": "{fresh}", "experiment_ids": ["{experiment}"]},
        shows="fresh",
    ),
    read("GET 3.0/mlflow/datasets/{dataset}"),
    write("DELETE 3.0/mlflow/datasets/{new_dataset}", gone=DATASET),
    read("GET 3.0/mlflow/datasets/search?max_results=1000"),
    read("GET 3.0/mlflow/datasets/search?experiment_ids={experiment}"),
    read("POST 3.0/mlflow/datasets/search", {"filter_string": "name = '{dataset_name}'"}),
    read("POST 3.0/mlflow/datasets/search", {"experiment_ids": ["{experiment}"]}),
    write(
        "PATCH 3.0/mlflow/datasets/{new_dataset}/tags", {"tags": '{"k": "{fresh}"}'}, seen=(DATASET, "fresh")
    ),
    write("DELETE 3.0/mlflow/datasets/{new_dataset}/tags/{tag}"),
    write(
        "POST 3.0/mlflow/datasets/{new_dataset}/records",
        {"records": RECORD},
        shows="inserted_count",
        seen=(f"{DATASET}/records", "fresh"),
    ),
    read("GET 3.0/mlflow/datasets/{dataset}/records"),
    write(
        "DELETE 3.0/mlflow/datasets/{dataset}/records",
        {"dataset_record_ids": ["{new_record}"]},
        shows="deleted_count",
    ),
    read("GET 3.0/mlflow/datasets/{dataset}/experiment-ids", shows="experiment"),
    write(
        "POST 3.0/mlflow/datasets/{new_dataset}/add-experiments",
        {"experiment_ids": ["{new_experiment}"]},
        seen=(f"{DATASET}/experiment-ids", "new_experiment"),
    ),
    write("POST 3.0/mlflow/datasets/{new_dataset}/remove-experiments", {"experiment_ids": ["{experiment}"]}),
    REGISTER,
    write(
        REGISTER.line,
        REGISTER.body,
        before=(REGISTER,),
        seen=(
            "GET 3.0/mlflow/scorers/versions?experiment_id={experiment}&name={fresh}",
            '"scorer_version": 2',
        ),
    ),
    read("GET 3.0/mlflow/scorers/list?experiment_id={experiment}"),
    read("GET 3.0/mlflow/scorers/list?experiment_ids={experiment}"),
    read("GET 3.0/mlflow/scorers/get?experiment_id={experiment}&name={scorer_name}"),
    read("GET 3.0/mlflow/scorers/versions?experiment_id={experiment}&name={scorer_name}"),
    write("DELETE 3.0/mlflow/scorers/delete", {**OF, "name": "{new_scorer_name}"}, gone=VERSIONS),
    write("POST 3.0/mlflow/label-schemas/create", SCHEMA, shows="fresh"),
    read("GET 3.0/mlflow/label-schemas/get?schema_id={schema}"),
    read("GET 3.0/mlflow/label-schemas/get-by-name?experiment_id={experiment}&name={schema_name}"),
    read("GET 3.0/mlflow/label-schemas/list?experiment_id={experiment}"),
    write(
        "PATCH 3.0/mlflow/label-schemas/update",
        {"schema_id": "{new_schema}", "instruction": "{fresh}"},
        seen=(LOOK, "fresh"),
    ),
    write("DELETE 3.0/mlflow/label-schemas/delete", {"schema_id": "{new_schema}"}, gone=LOOK),
    write("POST 3.0/mlflow/review-queues/create", QUEUE, shows="fresh"),
    write("POST 3.0/mlflow/review-queues/create", {**QUEUE, "schema_ids": ["{schema}"]}),
    write("POST 3.0/mlflow/review-queues/get-or-create-user", {**OF, "user": "{user}"}, shows="user"),
    read("GET 3.0/mlflow/review-queues/get?queue_id={queue}", shows="queue_name"),
    read(
        "GET 3.0/mlflow/review-queues/get-by-name?experiment_id={experiment}&name={queue_name}", shows="queue"
    ),
    read("GET 3.0/mlflow/review-queues/list?experiment_id={experiment}", shows="queue_name"),
    read("GET 3.0/mlflow/review-queues/list?experiment_id={experiment}&item_id={trace}", shows="queue_name"),
    write(
        "POST 3.0/mlflow/review-queues/update",
        {
            "queue_id": "{new_queue}",
            "update_schema_ids": True,
            "schema_ids": ["{schema}"],
        },
    ),
    write(
        "POST 3.0/mlflow/review-queues/delete",
        {"queue_id": "{new_queue}"},
        gone="GET 3.0/mlflow/review-queues/get?queue_id={new_queue}",
    ),
    ADD,
    read("GET 3.0/mlflow/review-queues/items/list?queue_id={queue}", shows="trace"),
    write("POST 3.0/mlflow/review-queues/items/remove", ITEMS, before=(ADD,)),
    write(
        "POST 3.0/mlflow/review-queues/items/set-status",
        {
            "queue_id": "{queue}",
            "item_id": "{new_trace}",
            "status": "COMPLETE",
            "completed_by": "{user}",
        },
        before=(ADD,),
    ),
    write(
        "POST 3.0/mlflow/issues",
        {**OF, "name": "{fresh}", "description": "x", "source_run_id": "{run}"},
        shows="fresh",
    ),
    read("GET 3.0/mlflow/issues/{issue}"),
    write(
        "PATCH 3.0/mlflow/issues/{new_issue}",
        {"issue_id": "{new_issue}", "name": "{fresh}"},
        shows="fresh",
        seen=("GET 3.0/mlflow/issues/{new_issue}", "fresh"),
    ),
    read("POST 3.0/mlflow/issues/search", {**OF, "include_trace_count": True}),
    read("POST 3.0/mlflow/issues/search", {"max_results": 100}),
)
