"""Compares a plain MLflow script with and without the client package installed: wall time of the process.

One server, stock MLflow on SQLite; the script lies in a git checkout with a change that is not committed, as
scripts do. Both run in turns.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.client_script import PACKAGE
from rehearsal.processes import NotReadyError, Process, free_port

ROOT = Path(__file__).parent.parent
PAIRS = 7
STEPS = 1000
START_SECONDS = 180.0
SCRIPT_SECONDS = 300.0
HOW = ("without", "with")
SCRIPT = f"""
import mlflow

with mlflow.start_run():
    for step in range({STEPS}):
        mlflow.log_metric("loss", 1 / (step + 1), step)
"""
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com")


def main() -> int:
    """Start the server, run the script in turns, print medians and the ratio; 1 when one does not run."""
    try:
        with tempfile.TemporaryDirectory(prefix="bench-client-") as folder:
            _compare(Path(folder))
    except (NotReadyError, subprocess.SubprocessError) as error:
        print(f"bench-client: {error}", file=sys.stderr)
        return 1
    return 0


def _compare(folder: Path) -> None:
    checkout = folder / "checkout"
    checkout.mkdir()
    (checkout / "train.py").write_text("# to be written\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run([*GIT, *words], cwd=checkout, check=True)
    (checkout / "train.py").write_text(SCRIPT)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = (
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", f"{folder}/artifacts",
    )  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    print("starting the server", flush=True)
    with Process("mlflow server", command, environment=environment, log=folder / "log", cwd=folder) as server:
        server.wait_ready(lambda: not_ready(address), seconds=START_SECONDS)
        seconds: dict[str, list[float]] = {how: [] for how in HOW}
        # The first pair only warms up.
        for pair in range(PAIRS + 1):
            print(f"pair {pair} of {PAIRS}" if pair else "warming up", flush=True)
            for how in sorted(HOW, reverse=bool(pair % 2)):
                taken = _run(how, checkout, {**environment, "MLFLOW_TRACKING_URI": address})
                if pair:
                    seconds[how].append(taken)
    without, with_it = (statistics.median(seconds[how]) for how in HOW)
    print(
        f"a script of {STEPS} steps, s, median of {PAIRS}: with {PACKAGE} {with_it:.2f}, "
        f"without {without:.2f}, ratio {with_it / without:.3f}"
    )
    for how, values in seconds.items():
        print(f"  {how}: {' '.join(f'{value:.2f}' for value in sorted(values))}")


def not_ready(address: str) -> str | None:
    """Return why a server does not answer yet."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5):
            return None
    except OSError as error:
        return str(error)


def _run(how: str, folder: Path, environment: dict[str, str]) -> float:
    command = [sys.executable, str(ROOT / "benchmarks" / "client_script.py"), how, "train.py"]
    begun = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=environment, check=True, timeout=SCRIPT_SECONDS,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
