"""Our server and stock MLflow, each on a database of its own that began as the other's did."""

import http.client
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.login_server import TEAM, token
from rehearsal.postgres import SUPERUSER, Postgres
from rehearsal.processes import Process, free_port
from server.tests.differential.cases import ACTIVE, DELETED, FOREIGN, Case, case
from server.tests.differential.reads import read_case
from server.tests.differential.sameness import canonical
from server.tests.differential.server import HANDED_ON

ROOT = Path(__file__).parents[3]
START_SECONDS = 180
TABLES = ("metrics", "latest_metrics", "params", "tags", "logged_model_metrics", "runs")
READS = 0.3  # of all cases
NOT_COMPARED = {"date", HANDED_ON}
SEEDED = """
TRUNCATE experiments CASCADE;
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, workspace)
    VALUES (7, 'ours', 's3://x/7', 'active', %(team)s), (8, 'theirs', 's3://x/8', 'active', 'another');
INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, experiment_id)
    SELECT run, 'seeded', 'UNKNOWN', 'ada', 'RUNNING', 0, stage, experiment
    FROM unnest(%(runs)s, %(stages)s, %(experiments)s) AS seeded (run, stage, experiment);
"""


@dataclass(frozen=True)
class Answer:
    """What is compared of an answer, and who gave it."""

    status: int
    headers: dict[str, str]
    body: Any
    fast: bool = field(compare=False)


class Server:
    """One of the two, and its database."""

    def __init__(self, postgres: Postgres, database: str, port: int) -> None:
        self._postgres = postgres
        self.database = database
        self.port = port

    def ask(self, asked: Case, connection: http.client.HTTPConnection) -> Answer:
        own = {"Authorization": f"Bearer {token()}", "X-MLFLOW-WORKSPACE": TEAM}
        connection.request(asked.method, asked.path, asked.body, {**asked.headers, **own})
        answer = connection.getresponse()
        text = answer.read()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        kept = {name: value for name, value in headers.items() if name not in NOT_COMPARED}
        if kept.get("content-type") == "application/json" and text:
            text = canonical(text, asked.path)
            # MLflow indents what it reads.
            kept.pop("content-length")
        return Answer(answer.status, kept, text, HANDED_ON not in headers)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        with closing(self._postgres.connect(database=self.database)) as database, database.cursor() as cursor:
            rows = {}
            for table in TABLES:
                cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - one of ours
                rows[table] = sorted(cursor.fetchall(), key=repr)
            return rows

    def seed(self) -> None:
        """Let the database hold the runs that the cases name, and nothing else."""
        seeds = [*((run, "active", 7) for run in ACTIVE), (DELETED, "deleted", 7), (FOREIGN, "active", 8)]
        runs, stages, experiments = map(list, zip(*seeds, strict=True))
        values = {"team": TEAM, "runs": runs, "stages": stages, "experiments": experiments}
        with closing(self._postgres.connect(database=self.database)) as database:
            database.cursor().execute(SEEDED, values)
            database.commit()


@contextmanager
def started(*kinds: str) -> Iterator[list[Server]]:
    """Start a server of each kind; see server.py."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        servers, waits = [], []
        for kind in kinds:
            server = Server(postgres, f"differential_{kind}", free_port())
            with closing(postgres.connect(database="postgres")) as connection:
                connection.autocommit = True
                connection.cursor().execute(f"CREATE DATABASE {server.database}")
            environment = {
                "PYTHONHASHSEED": "0",  # MLflow writes sets into messages
                "PATH": "/usr/bin:/bin",
                "PGHOST": str(postgres.folder),
                "PGUSER": SUPERUSER,
                "PGDATABASE": server.database,
                "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*",
            }
            command = (sys.executable, "-m", "server.tests.differential.server", kind, str(server.port))
            log = postgres.folder.parent / f"{postgres.folder.name}-{kind}.log"
            stack.callback(log.unlink, missing_ok=True)
            process = stack.enter_context(Process(kind, command, environment=environment, log=log, cwd=ROOT))
            servers.append(server)
            waits.append((process, server))
        for process, server in waits:
            process.wait_ready(lambda server=server: _reason(server), seconds=START_SECONDS)
        yield servers


def _reason(server: Server) -> str | None:
    try:
        with closing(server.connect()) as connection:
            connection.request("GET", "/health")
            return None if connection.getresponse().status == http.HTTPStatus.OK else "no 200"
    except OSError as error:
        return str(error)


@dataclass
class Result:
    """How a comparison went."""

    differences: list[str] = field(default_factory=list)
    fast: Counter[str] = field(default_factory=Counter)  # by the last part of the path
    cases: int = 0


def compare(servers: Sequence[Server], seed: int, count: int, every: int = 250) -> Result:
    """Begin anew, ask both the same, one after the other, and look at their rows from time to time."""
    chance = random.Random(seed)  # noqa: S311 - the cases shall be the same again
    result = Result()
    with ExitStack() as stack:
        for server in servers:
            server.seed()
        connections = [stack.enter_context(closing(server.connect())) for server in servers]
        for number in range(1, count + 1):
            asked = read_case(chance) if chance.random() < READS else case(chance)
            ours, stock = (server.ask(asked, one) for server, one in zip(servers, connections, strict=True))
            result.cases += 1
            result.fast[asked.path.partition("?")[0].rpartition("/")[2]] += ours.fast
            if ours != stock:
                result.differences.append(f"case {number} of seed {seed}: {asked}\n  {ours}\n  {stock}")
            if number % every == 0 or number == count:
                result.differences.extend(_rows_that_differ(servers, number))
    return result


def _rows_that_differ(servers: Sequence[Server], number: int) -> Iterator[str]:
    ours, stock = (server.rows() for server in servers)
    for table in TABLES:
        # As text, by which -0.0 is not 0.0 and Postgres's NaN is itself.
        mine, theirs = set(map(repr, ours[table])), set(map(repr, stock[table]))
        if mine != theirs:
            yield f"{table} after {number}: {sorted(mine - theirs)[:3]} {sorted(theirs - mine)[:3]}"
