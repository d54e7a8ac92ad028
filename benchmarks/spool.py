"""Compares the spool with what plain MLflow offers, sync and async: wall time of a script, and what is lost.

One server, stock MLflow on Postgres; the script logs 10,000 metrics in one of two forms. While the server is
healthy all three run in turns. Else it leaves at a tenth of the script and is back when that has ended,
before anybody counts; for the spool `mlflow-team sync` runs then. Plain MLflow waits out its own retries and
is cut off after ten minutes: sleeping costs nothing, so those scripts sleep side by side, but come to it
one by one. Artifacts, which only the package logs here, lie in a folder that does not leave, as S3.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path

from benchmarks.client import START_SECONDS, not_ready
from benchmarks.gate import HOST, Gate
from benchmarks.spool_table import Outcome, Trial, table
from rehearsal.postgres import SUPERUSER, Postgres
from rehearsal.processes import NotReadyError, Process, end_children, free_port

CLIENT_SCRIPT = Path(__file__).parent / "client_script.py"
PAIRS = 5
# One that refuses has been given up by then; one that hangs takes 8 requests of 120 s, and so often.
LONGEST_SECONDS = 600.0
SIDE_BY_SIDE = 20
STEPS, METRICS = 1000, 10
LEAVES_AT = 100  # the step
SPOOL, SYNC, ASYNC = "spool", "plain sync", "plain async"
HOW = {SPOOL: "with", SYNC: "without", ASYNC: "without"}
HEALTHY, REFUSES, HANGS = "healthy", "refuses", "hangs"
FORMS = {
    "10 log_metric": f"""for number in range({METRICS}):
            mlflow.log_metric(f"m{{number}}", step + number / 10, step)""",
    "1 log_metrics": f"""mlflow.log_metrics({{f"m{{n}}": step + n / 10 for n in range({METRICS})}}, step)""",
}
SCRIPT = """
import mlflow

with mlflow.start_run(run_name="{name}"):
    for step in range({steps}):
        if step == {leaves_at}:
            print("now", flush=True)
        {form}
"""
COUNT = "SELECT count(*) FROM metrics JOIN runs USING (run_uuid) WHERE runs.name = %s"


def main() -> int:
    """Start the server, run every trial, and print one table; 1 when something does not run."""
    try:
        with ExitStack() as stack:
            bench = Bench(stack)
            outcomes = [*bench.in_turns(), *bench.side_by_side()]
    except (NotReadyError, subprocess.SubprocessError) as error:
        print(f"bench-spool: {error}", file=sys.stderr)
        return 1
    print(table(outcomes, STEPS * METRICS, SPOOL))
    return 0


class Bench:
    """The server, and what runs scripts against it."""

    def __init__(self, stack: ExitStack) -> None:
        """Start it; the stack ends it."""
        print("starting the server", flush=True)
        self._postgres = stack.enter_context(Postgres())
        self._starting = threading.Lock()
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-spool-")))
        self._port = free_port()
        database = (
            f"postgresql+psycopg2://{SUPERUSER}@/{self._postgres.database}?host={self._postgres.folder}"
        )
        command = (
            sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(self._port),
            "--workers", "1", "--backend-store-uri", database,
            # As on AWS artifacts do not pass through the server.
            "--no-serve-artifacts", "--default-artifact-root", str(self._folder / "artifacts"),
        )  # fmt: skip
        self._environment = {"PATH": os.environ["PATH"], "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment = {
            **self._environment,
            "HOME": str(self._folder),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        log = self._folder / "log"
        server = Process("mlflow server", command, environment=environment, log=log, cwd=self._folder)
        stack.enter_context(server)
        address = f"http://{HOST}:{self._port}"
        server.wait_ready(lambda: not_ready(address), seconds=START_SECONDS)

    def in_turns(self) -> Iterator[Outcome]:
        """Run what does not wait for anybody: all three with a healthy server, the spool without one."""
        for pair, form in product(range(PAIRS + 1), FORMS):
            for how in sorted(HOW, reverse=bool(pair % 2)):
                outcome = self._run(Trial(form=form, server=HEALTHY, how=how, number=pair))
                if pair:  # the first only warms up
                    yield outcome
        for pair, form, server in product(range(PAIRS), FORMS, (REFUSES, HANGS)):
            yield self._run(Trial(form=form, server=server, how=SPOOL, number=pair))

    def side_by_side(self) -> list[Outcome]:
        """Run what sleeps most of its time, the longest first."""
        trials = [
            Trial(form=form, server=server, how=how, number=pair)
            for server, pair, form, how in product((HANGS, REFUSES), range(PAIRS), FORMS, (SYNC, ASYNC))
        ]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            try:
                return list(pool.map(self._run, trials))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                end_children()
                raise

    def _run(self, trial: Trial) -> Outcome:
        home = self._folder / trial.name
        home.mkdir()
        script = SCRIPT.format(name=trial.name, steps=STEPS, leaves_at=LEAVES_AT, form=FORMS[trial.form])
        (home / "train.py").write_text(script)
        environment = {
            **self._environment,
            "HOME": str(home),
            "MLFLOW_ENABLE_ASYNC_LOGGING": str(trial.how == ASYNC),
        }
        with Gate(self._port) as gate:
            # A gate costs time: nothing stands before a server that stays.
            port = self._port if trial.server == HEALTHY else gate.port
            environment["MLFLOW_TRACKING_URI"] = f"http://{HOST}:{port}"
            leave = {HEALTHY: lambda: None, REFUSES: gate.refuse, HANGS: gate.hang}[trial.server]
            with self._starting:
                begun = time.perf_counter()
                process = subprocess.Popen(
                    [sys.executable, CLIENT_SCRIPT, HOW[trial.how], "train.py"],
                    cwd=home, env=environment, stdout=subprocess.PIPE, stderr=(home / "log").open("wb"),
                )  # fmt: skip
                if process.stdout and process.stdout.readline() == b"now\n":
                    leave()
            with process:
                try:
                    code = process.wait(LONGEST_SECONDS)
                except subprocess.TimeoutExpired:
                    code = None
                finally:
                    process.kill()
            seconds = time.perf_counter() - begun
            gate.come_back()
            if trial.how == SPOOL:
                subprocess.run(
                    [sys.executable, "-m", "mlflow_team", "sync"], cwd=home, env=environment, check=False,
                    stdout=(home / "sync").open("wb"), stderr=subprocess.STDOUT, timeout=LONGEST_SECONDS,
                )  # fmt: skip
        with closing(self._postgres.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(COUNT, (trial.name,))
            (rows,) = cursor.fetchone()
        print(f"{trial.name}: {seconds:.1f} s, exit code {code}, {rows:,} rows", flush=True)
        return Outcome(trial=trial, seconds=seconds, exit_code=code, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
