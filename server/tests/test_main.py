"""The server as ECS runs it: what it answers, what it refuses to start on, and how it ends."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from time import monotonic

import pytest

from rehearsal.processes import free_port
from server.tests.conftest import BUCKET, World
from server.tests.served import HOST, SERVE, START_SECONDS, Server, started
from server.tracking_server.connections import THREADS

pytestmark = pytest.mark.rehearsal

END_SECONDS = 30
BATCHES = 40
OLDER = "bda7b8c39065"  # increase_model_version_tag_value_limit, of MLflow 2
IMPATIENT = "import tracking_server.__main__ as s; s.CONNECT_SECONDS = 1; raise SystemExit(s.main())"


def create_run(server: Server, experiment: str) -> str:
    _, text = server.ask("/api/2.0/mlflow/experiments/create", {"name": experiment})
    _, text = server.ask("/api/2.0/mlflow/runs/create", {"experiment_id": json.loads(text)["experiment_id"]})
    return str(json.loads(text)["run"]["info"]["run_id"])


def test_a_teams_experiment_is_kept_in_its_workspace_below_the_artifact_root(
    server: Server, world: World
) -> None:
    status, text = server.ask("/api/2.0/mlflow/experiments/create", {"name": "where"})
    assert status == 200, text
    experiment = json.loads(text)["experiment_id"]
    where = "SELECT artifact_location, workspace FROM experiments WHERE experiment_id = %s"
    location = f"s3://{BUCKET}/workspaces/vision/{experiment}"
    assert world.rows("served", where, experiment) == [(location, "vision")]


def test_batches_at_once_do_not_wait_for_each_others_connections(server: Server, world: World) -> None:
    run = create_run(server, "batches")
    body = {"run_id": run, "metrics": [{"key": "loss", "value": 1, "timestamp": 1, "step": 1}]}
    with (
        ThreadPoolExecutor(BATCHES) as pool,
        closing(world.postgres.connect(database="served")) as blocker,
    ):
        # All that can work at once hold their first connection before any may ask for its second.
        blocker.cursor().execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        answers = [pool.submit(server.ask, "/api/2.0/mlflow/runs/log-batch", body) for _ in range(BATCHES)]
        server.process.wait_ready(lambda: reason_not_waiting(world, "served", THREADS), seconds=END_SECONDS)
        blocker.rollback()
        assert {answer.result()[0] for answer in answers} == {200}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": f"{HOST}:8443"}, 200),
        ({"Host": f"{HOST}.evil.example"}, 403),
        ({"Host": "10.0.0.7"}, 403),
        ({"Origin": f"https://{HOST}"}, 200),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
def test_hosts_and_origins_are_those_of_the_environment(
    server: Server, headers: dict[str, str], status: int
) -> None:
    path = "/ajax-api/2.0/mlflow/experiments/search"
    assert server.ask(path, {"max_results": 1}, **headers)[0] == status


def test_the_health_check_answers_any_host_as_the_load_balancer_asks_by_address(server: Server) -> None:
    assert server.ask("/health", Host="10.0.0.7") == (200, "OK")


@pytest.mark.parametrize(
    "path",
    [
        "3.0/mlflow/assistant/config",
        "3.0/mlflow/gateway/endpoints/list",
        "3.0/jobs/x",
        "2.0/mlflow-artifacts/artifacts",
    ],
)
def test_what_the_stack_does_not_offer_is_off(server: Server, path: str) -> None:
    status, text = server.ask(f"/ajax-api/{path}")
    assert (status, json.loads(text)["error_code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("prefix", ["api", "ajax-api"])
def test_clients_cannot_make_a_workspace(server: Server, prefix: str) -> None:
    status, text = server.ask(f"/{prefix}/3.0/mlflow/workspaces", {"name": "of-nobody"})
    assert (status, "pulumi up" in text) == (403, True)
    _, listed = server.ask(f"/{prefix}/3.0/mlflow/workspaces")
    assert "vision" in listed
    assert "of-nobody" not in listed


def test_the_log_begins_with_a_line_of_ours_and_has_no_health_check_nor_forged_client(server: Server) -> None:
    server.ask("/version", **{"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"})
    log = server.process.log.read_text()
    assert log.startswith("tracking-server: ")
    assert '"GET /version HTTP/1.1" 200' in log
    assert not [word for word in ("203.0.113.7", "/health", "Warning") if word in log]


def test_sigterm_lets_the_request_under_way_finish_and_ends_with_code_0(world: World, prepared: str) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        started(world, "ended") as server,
        closing(world.postgres.connect(database="ended")) as blocker,
    ):
        blocker.cursor().execute("LOCK TABLE experiments IN ACCESS EXCLUSIVE MODE")
        answer = pool.submit(server.ask, "/api/2.0/mlflow/experiments/create", {"name": "under way"})
        server.process.wait_ready(lambda: reason_not_waiting(world, "ended", 1), seconds=END_SECONDS)
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait_ready(lambda: reason_accepting(server), seconds=END_SECONDS)
        assert not answer.done()
        blocker.rollback()
        assert answer.result(END_SECONDS)[0] == 200
        assert server.process.wait(END_SECONDS) == 0


def reason_not_waiting(world: World, database: str, wanted: int) -> str | None:
    waiting = world.rows(
        database,
        "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s",
        database,
    )
    return None if len(waiting) >= wanted else f"{len(waiting)} requests wait for the lock, not {wanted}"


def reason_accepting(server: Server) -> str | None:
    try:
        server.ask("/health")
    except OSError:
        return None
    return "new requests are still accepted"


def test_wrong_settings_end_with_code_2_and_a_line_for_each(world: World) -> None:
    environment = world.environment(PGHOST="", MLFLOW_PORT="x", MLFLOW_BACKEND_STORE_URI="sqlite://")
    with world.start(environment, *SERVE) as process:
        assert process.wait(START_SECONDS) == 2
    said = process.log.read_text()
    assert all(name in said for name in ("PGHOST", "MLFLOW_PORT", "MLFLOW_BACKEND_STORE_URI"))
    assert "Traceback" not in said


def test_a_database_that_is_down_ends_the_start_soon_and_in_one_sentence(world: World) -> None:
    began = monotonic()
    with world.start(world.environment(PGPORT=str(free_port())), "-c", IMPATIENT) as process:
        assert process.wait(START_SECONDS) == 1
    assert monotonic() - began < 20
    *_, end = process.log.read_text().splitlines()
    assert end.startswith("tracking-server: the database at localhost:")
    assert "Traceback" not in process.log.read_text()


def test_a_database_at_another_revision_is_not_served_and_not_migrated(world: World, prepared: str) -> None:
    database = world.create_database("not_served", template="mlflow")
    world.rows(database, "UPDATE alembic_version SET version_num = %s", OLDER)
    with world.start(world.environment(database), *SERVE) as process:
        assert process.wait(START_SECONDS) == 3
    assert "<the image that ran before>" in process.log.read_text()
    assert world.rows(database, "SELECT version_num FROM alembic_version") == [(OLDER,)]
