"""The database goes away under load and comes back in each of RDS's ways; no acknowledged metric is lost."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from server.tests.conftest import World
from server.tests.load import API, BY_MLFLOW, Load, always, batch, create_run, under_load
from server.tests.own_database import OwnDatabase, own_database
from server.tests.served import Server, started
from server.tracking_server.application import HEALTH

pytestmark = pytest.mark.rehearsal

NAME = "lost"
WRITERS = 8
BEFORE = 100  # answers
CUTS = 8  # a second apart
OUTAGE_SECONDS = 4
RECOVERY_SECONDS = 5
# The fast path gives up a connection that died in silence after 6 s; then MLflow waits for a thread and for
# another connection, each 5 s.
LONGEST_SECONDS = 20
HEALTH_SECONDS = 5  # what the load balancer waits for it, and the container's own check


@pytest.fixture(scope="module")
def database(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDatabase]:
    with own_database(world, tmp_path_factory.mktemp("lost")) as database:
        code, said = database.world.prepare(database.world.preparation())
        assert code == 0, said
        yield database


@pytest.fixture(scope="module")
def server(database: OwnDatabase) -> Iterator[Server]:
    with started(database.world, NAME) as server:
        yield server


def kinds(server: Server, name: str) -> tuple[str, dict[str, list[Callable[..., object]]]]:
    """Return a run, and clients of the fast path and of MLflow's own routes that use it."""
    experiment, run = create_run(server, name)
    status, text = server.ask(API + "registered-models/create", {"name": name})
    assert status == 200, text
    server.ask(API + "runs/log-metric", {"run_id": run, "key": "read", "value": 1, "timestamp": 1, "step": 1})
    graphql = {
        "query": "query Q($i: MlflowGetRunInput) { mlflowGetRun(input: $i) { run { info { runId } } apiError"
        " { code message } } }",
        "variables": {"i": {"runId": run}},
    }
    return run, {
        "fast write": [batch(run, f"fast {number}") for number in range(WRITERS // 2)],
        "write": [batch(run, f"slow {number}", **BY_MLFLOW) for number in range(WRITERS // 2)],
        "fast read": [
            always("runs/search", {"experiment_ids": [experiment]}),
            always(f"metrics/get-history?run_id={run}&metric_key=read"),
        ],
        "read": [always(f"runs/get?run_id={run}")],
        "change": [always("runs/update", {"run_id": run, "run_name": name})],
        "registry": [always(f"registered-models/get?name={name}")],
        "graphql": [lambda _: ("/graphql", graphql, {})],
        HEALTH: [health],
    }


def health(_: int) -> tuple[str, None, dict[str, str]]:
    """Ask as the load balancer does, more often."""
    time.sleep(0.2)
    return HEALTH, None, {}


def check_recovery(load: Load, world: World, run: str, back_at: float) -> None:
    """Let each kind of request have been refused while the database was away, and answered soon after."""
    assert load.unexpected() == []
    asked = [told for told in load.told if told.kind == HEALTH]
    assert {told.status for told in asked} == {200}
    assert max(told.seconds for told in asked) < HEALTH_SECONDS, "the task would be killed"
    for kind in {told.kind for told in load.told} - {HEALTH}:
        times = {
            status: [told.at for told in load.told if (told.kind, told.status) == (kind, status)]
            for status in (200, 503)
        }
        assert times[503], f"{kind} was never refused"
        assert max(times[503]) < back_at + RECOVERY_SECONDS, f"{kind} was refused too late"
        first = min(at for at in times[200] if at > back_at)
        assert first < back_at + RECOVERY_SECONDS, f"{kind} was answered too late"
        print(f"{kind}: {len(times[503])} refused, {first - back_at:.2f} s after the database")
    assert max(told.seconds for told in load.told) < LONGEST_SECONDS
    check_rows(load, world, run)


def check_rows(load: Load, world: World, run: str) -> None:
    """Let each acknowledged metric be there once, and no other: each client ended with an answer."""
    rows = world.rows(NAME, "SELECT key, step FROM metrics WHERE run_uuid = %s AND key <> 'read'", run)
    there = Counter(rows)
    assert set(load.acknowledged) - there.keys() == set(), "lost"
    assert [row for row, count in there.items() if count > 1] == [], "doubled"
    # A client that ends with a 503 may have written what it was never told.
    assert len(there.keys() - set(load.acknowledged)) <= WRITERS


WAYS = {
    "killed": lambda own: own.world.postgres.kill(),
    "restarted-in-order": lambda own: own.world.postgres.shut_down(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_database_that_restarts_is_503_meanwhile_and_served_again_within_5_s(
    server: Server, database: OwnDatabase, way: str
) -> None:
    run, clients = kinds(server, way)
    with under_load(server, clients) as load:
        load.wait_for(BEFORE)
        WAYS[way](database)
        time.sleep(OUTAGE_SECONDS)
        database.world.postgres.restart()
        back_at = time.monotonic()
        time.sleep(RECOVERY_SECONDS + 1)
    check_recovery(load, database.world, run, back_at)


def test_a_connection_cut_in_the_middle_of_a_batch_costs_no_request_and_writes_once(
    server: Server, database: OwnDatabase
) -> None:
    """The fast path's statement was sent, and Postgres commits it though nobody hears of it any more."""
    _, run = create_run(server, "cut")
    metrics = [{"key": f"m{number}", "value": number, "timestamp": 1, "step": 1} for number in range(100)]
    with ThreadPoolExecutor(1) as pool, closing(database.world.postgres.connect(database=NAME)) as blocker:
        blocker.cursor().execute("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE")
        answer = pool.submit(server.ask, API + "runs/log-batch", {"run_id": run, "metrics": metrics})
        server.process.wait_ready(lambda: reason_not_blocked(database.world), seconds=10)
        database.front.cut()
        time.sleep(0.5)  # the server notices, and MLflow's own route begins to write the same
        blocker.rollback()
        assert answer.result(20) == (200, "{}")
    rows = "SELECT key, count(*) FROM metrics WHERE run_uuid = %s GROUP BY key"
    assert dict(database.world.rows(NAME, rows, run)) == {f"m{number}": 1 for number in range(100)}


def test_connections_cut_again_and_again_under_load_lose_and_double_nothing(
    server: Server, database: OwnDatabase
) -> None:
    run, clients = kinds(server, "cut-often")
    with under_load(server, clients) as load:
        load.wait_for(BEFORE)
        for _ in range(CUTS):
            database.front.cut()
            time.sleep(1)
    assert load.unexpected() == []
    check_rows(load, database.world, run)
    refused = sum(told.status == 503 for told in load.told)
    # The database is there all the time: only what was under way on MLflow's connections is refused.
    assert refused < len(load.told) / 2, f"{refused} of {len(load.told)}"


def reason_not_blocked(world: World) -> str | None:
    waiting = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'new_writes'"
    return None if world.rows(NAME, waiting) else "the statement waits for no lock"
