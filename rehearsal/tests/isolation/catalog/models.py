"""Logged models and the registry."""

from rehearsal.tests.isolation.entry import read, write

TAG = {"key": "{tag}", "value": "{fresh}"}
LOGGED = "GET 2.0/mlflow/logged-models/{new_logged_model}"
MODEL = "GET 2.0/mlflow/registered-models/get?name={new_model_name}"
LOOK = "GET 2.0/mlflow/model-versions/get?name={new_model_name}&version={version}"
NAME, VERSION = {"name": "{new_model_name}"}, {"name": "{new_model_name}", "version": "{version}"}
LATEST = {"name": "{model_name}", "stages": ["None"]}

ENTRIES = (
    write(
        "POST 2.0/mlflow/logged-models", {"experiment_id": "{experiment}", "name": "net"}, shows="experiment"
    ),
    write(
        "POST 2.0/mlflow/logged-models",
        {
            "experiment_id": "{experiment}",
            "name": "net",
            "source_run_id": "{run}",
            "tags": [TAG],
        },
    ),
    read("GET 2.0/mlflow/logged-models/{logged_model}"),
    write(
        "PATCH 2.0/mlflow/logged-models/{new_logged_model}",
        {
            "model_id": "{new_logged_model}",
            "status": "LOGGED_MODEL_READY",
        },
        seen=(LOGGED, "LOGGED_MODEL_READY"),
    ),
    write("DELETE 2.0/mlflow/logged-models/{new_logged_model}", gone=LOGGED),
    read("GET 2.0/mlflow/logged-models/{logged_model}/artifacts/directories", shows="file"),
    read("GET 2.0/mlflow/logged-models/{logged_model}/artifacts/files?artifact_file_path=note.txt"),
    write(
        "POST 2.0/mlflow/logged-models/{new_logged_model}/params",
        {
            "model_id": "{new_logged_model}",
            "params": [{"key": "{fresh}", "value": "x"}],
        },
        seen=(LOGGED, "fresh"),
    ),
    write(
        "PATCH 2.0/mlflow/logged-models/{new_logged_model}/tags",
        {"model_id": "{new_logged_model}", "tags": [TAG]},
        seen=(LOGGED, "fresh"),
    ),
    write("DELETE 2.0/mlflow/logged-models/{new_logged_model}/tags/{tag}"),
    read("POST 2.0/mlflow/logged-models/search", {"experiment_ids": ["{experiment}"]}),
    read(
        "POST 2.0/mlflow/logged-models/search",
        {
            "experiment_ids": ["{experiment}"],
            "filter": "model_id = '{logged_model}'",
        },
    ),
    write("POST 2.0/mlflow/registered-models/create", {"name": "{fresh}"}, shows="fresh"),
    write(
        "POST 2.0/mlflow/registered-models/rename", {**NAME, "new_name": "{fresh}"}, shows="fresh", gone=MODEL
    ),
    write(
        "PATCH 2.0/mlflow/registered-models/update", {**NAME, "description": "{fresh}"}, seen=(MODEL, "fresh")
    ),
    write("DELETE 2.0/mlflow/registered-models/delete", NAME, gone=MODEL),
    read("GET 2.0/mlflow/registered-models/get?name={model_name}"),
    read("GET 2.0/mlflow/registered-models/search?max_results=1000"),
    read("GET 2.0/mlflow/registered-models/search?filter=name='{model_name}'"),
    read("GET 2.0/mlflow/registered-models/get-latest-versions?name={model_name}"),
    read("POST 2.0/mlflow/registered-models/get-latest-versions", LATEST),
    write("POST 2.0/mlflow/registered-models/set-tag", {**NAME, **TAG}, seen=(MODEL, "fresh")),
    write("DELETE 2.0/mlflow/registered-models/delete-tag", {**NAME, "key": "{tag}"}),
    read("GET 2.0/mlflow/registered-models/alias?name={model_name}&alias={alias}"),
    write("POST 2.0/mlflow/registered-models/alias", {**VERSION, "alias": "other"}, seen=(MODEL, '"other"')),
    write("DELETE 2.0/mlflow/registered-models/alias", {**NAME, "alias": "{alias}"}),
    write(
        "POST 2.0/mlflow/model-versions/create",
        {
            "name": "{new_model_name}",
            "source": "{run_uri}",
            "run_id": "{run}",
        },
        shows="run",
    ),
    write(
        "POST 2.0/mlflow/model-versions/create",
        {
            "name": "{new_model_name}",
            "source": "models:/{logged_model}",
            "model_id": "{logged_model}",
        },
    ),
    write(
        "POST 2.0/mlflow/model-versions/create",
        {
            "name": "{new_model_name}",
            "source": "models:/{model_name}/{version}",
        },
    ),
    read("GET 2.0/mlflow/model-versions/get?name={model_name}&version={version}"),
    read("GET 2.0/mlflow/model-versions/get-download-uri?name={model_name}&version={version}", shows="run"),
    read("GET 2.0/mlflow/model-versions/search?max_results=1000"),
    read("GET 2.0/mlflow/model-versions/search?filter=run_id='{run}'"),
    read("GET 2.0/mlflow/model-versions/search?filter=name='{model_name}'"),
    write(
        "PATCH 2.0/mlflow/model-versions/update", {**VERSION, "description": "{fresh}"}, seen=(LOOK, "fresh")
    ),
    write("DELETE 2.0/mlflow/model-versions/delete", VERSION, gone=LOOK),
    write("POST 2.0/mlflow/model-versions/set-tag", {**VERSION, **TAG}, seen=(LOOK, "fresh")),
    write("DELETE 2.0/mlflow/model-versions/delete-tag", {**VERSION, "key": "{tag}"}),
    write(
        "POST 2.0/mlflow/model-versions/transition-stage",
        {
            **VERSION,
            "stage": "Production",
            "archive_existing_versions": True,
        },
        seen=(LOOK, "Production"),
    ),
    read("GET /model-versions/get-artifact?name={model_name}&version={version}&path=note.txt"),
)
