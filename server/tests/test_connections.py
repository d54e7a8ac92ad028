"""A task opens as many connections as were counted, whatever it is asked at once, and no request fails."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from server.tests.conftest import World
from server.tests.load import BY_MLFLOW, always, batch, create_run, under_load
from server.tests.own_database import OwnDatabase, own_database
from server.tests.served import Server, started
from server.tracking_server.connections import CHECK, MLFLOW, PER_TASK, WRITES

pytestmark = pytest.mark.rehearsal

CLIENTS = 40
SECONDS = 15
LONGEST_SECONDS = 20  # of one request, on two cores that others use too
# Stock MLflow: 88 requests in 40 s, and 17 of them failed.
STOCK_A_SECOND = 88 / 40


@pytest.fixture(scope="module")
def database(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDatabase]:
    with own_database(world, tmp_path_factory.mktemp("connections")) as database:
        yield database


@pytest.fixture(scope="module")
def server(database: OwnDatabase) -> Iterator[Server]:
    code, said = database.world.prepare(database.world.preparation())
    assert code == 0, said
    assert 0 < database.front.most <= PER_TASK, "while it was prepared"
    with started(database.world, "connections") as server:
        yield server


@pytest.mark.parametrize("kind", ["fast", "by MLflow", "both"])
def test_40_batches_at_once_keep_within_what_was_counted_and_none_fails(
    server: Server, database: OwnDatabase, kind: str
) -> None:
    _, run = create_run(server, f"batches {kind}")
    own = {"fast": 0, "by MLflow": CLIENTS, "both": CLIENTS // 2}[kind]
    kinds = {
        "by MLflow": [batch(run, f"slow {number}", **BY_MLFLOW) for number in range(own)],
        "fast": [batch(run, f"fast {number}") for number in range(CLIENTS - own)],
        "ready": [lambda _: ("/ready", None, {})],
    }
    database.front.most = 0
    with under_load(server, kinds) as load:
        time.sleep(SECONDS)
    batches = [told for told in load.told if told.kind != "ready"]
    print(
        f"{len(batches)} batches in {SECONDS} s, {database.front.most} connections, "
        f"longest {max(told.seconds for told in batches):.2f} s"
    )
    assert load.statuses() == {200}
    assert len(batches) > 10 * STOCK_A_SECOND * SECONDS
    assert max(told.seconds for told in batches) < LONGEST_SECONDS
    assert database.front.most <= PER_TASK
    if own == CLIENTS:
        assert database.front.most >= MLFLOW, "the count promises more than there are"


def test_all_stores_together_open_no_more_than_one_engines(server: Server, database: OwnDatabase) -> None:
    """Each store of stock MLflow has an engine of its own."""
    kinds = {
        "tracking": [always("experiments/search", {"max_results": 5})] * 10,
        "registry": [always("registered-models/search?max_results=5")] * 10,
        "workspaces": [lambda _: ("/api/3.0/mlflow/workspaces", None, {})] * 10,
        "reads": [always("runs/search", {"experiment_ids": ["0"]})] * 10,
    }
    database.front.most = 0
    with under_load(server, kinds) as load:
        time.sleep(SECONDS / 3)
    assert load.statuses() == {200}
    with closing(database.world.postgres.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mlflow'")
        (there,) = cursor.fetchone()
    assert there <= MLFLOW + WRITES + CHECK
    assert database.front.most <= PER_TASK
