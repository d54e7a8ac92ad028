"""Runs a run again in a checkout and an environment of its own, and compares."""

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from . import source_code, switches, tags
from .bad_input import BadInputError
from .provenance import REPRODUCES_VARIABLE
from .reproduction_plan import Plan

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
CHECKOUT_SECONDS = 600.0
END_SECONDS = 10.0
# Of this shell: another experiment; a run to go on with, which may be the original; no link between the runs.
REPLACED = (
    "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", switches.ALL, switches.Piece.PROVENANCE.variable,
)  # fmt: skip


class ReproductionError(RuntimeError):
    """It was begun and could not be ended; the text says where."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric of both runs; None where one lacks it."""

    name: str
    then: float | None
    now: float | None
    same: bool


def reproduce(
    client: "MlflowClient", original: "Run", plan: Plan, *, tolerance: float, keep: bool
) -> tuple["Run", list[Difference]]:
    """Run it again and return the new run, and its metrics beside the original's.

    Args:
        client: of the server that has the original.
        original: the run.
        plan: without obstacles.
        tolerance: by which part of the larger value two metrics may differ.
        keep: leave checkout and environment where they are.

    Raises:
        ReproductionError: a step failed.
    """
    began = int(time.time() * 1000)
    with _checkout(plan, keep=keep) as root:
        if plan.has_diff:
            patch = _diff(client, original.info.run_id, root.parent)
            _git(root, "apply", "--whitespace=nowarn", str(patch))
        assert plan.checkout is not None  # noqa: S101 - a plan without obstacles has one
        for path in plan.carried:
            _copy(path, root / path.relative_to(plan.checkout.root))
        python = _environment(plan, root.parent) if plan.builds else sys.executable
        _run([python, *plan.command], root / plan.folder, _variables(original))
    again = _its_run(client, original, began)
    client.set_tag(original.info.run_id, tags.REPRODUCED_BY, again.info.run_id)
    return again, compare(original.data.metrics, again.data.metrics, tolerance)


def compare(then: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> list[Difference]:
    """Return each metric of the original beside the new one."""
    return [
        Difference(name=name, then=value, now=now.get(name), same=_same(value, now.get(name), tolerance))
        for name, value in sorted(then.items())
        if not name.startswith("system/")  # load and memory of a machine, which repeat nowhere
    ]


def _same(then: float, now: float | None, tolerance: float) -> bool:
    if now is None:
        return False
    return math.isclose(then, now, rel_tol=tolerance) or (math.isnan(then) and math.isnan(now))


@contextmanager
def _checkout(plan: Plan, *, keep: bool) -> Iterator[Path]:
    assert plan.checkout is not None  # noqa: S101 - a plan without obstacles has one
    folder = Path(tempfile.mkdtemp(prefix="reproduce-"))
    root = folder / "checkout"
    try:
        _git(plan.checkout.root, "worktree", "add", "--quiet", "--detach", str(root), plan.commit)
        yield root
    finally:
        if keep:
            print(f"kept: {root}; remove it with: git worktree remove --force {root}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            _git(plan.checkout.root, "worktree", "prune")


def _git(folder: Path, *arguments: str) -> None:
    try:
        source_code.git(folder, *arguments, seconds=CHECKOUT_SECONDS)
    except source_code.GitError as error:
        raise ReproductionError(str(error)) from None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _diff(client: "MlflowClient", run_id: str, folder: Path) -> Path:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds, which --help does not need

    try:
        return _fetched(client, run_id, tags.DIFF, folder)
    except (MlflowException, OSError) as error:
        raise ReproductionError(f"{tags.DIFF} cannot be read, nothing was run: {error}") from None


def _fetched(client: "MlflowClient", run_id: str, artifact: str, folder: Path) -> Path:
    """Fetch one small file, without the bar that MLflow draws where tqdm is installed."""
    bar = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
    before = os.environ.get(bar)
    os.environ[bar] = "false"
    try:
        return Path(client.download_artifacts(run_id, artifact, str(folder)))
    finally:
        os.environ.pop(bar)
        os.environ.update({bar: before} if before is not None else {})


def packages(client: "MlflowClient", run_id: str) -> str | None:
    """Return what a run has on record of its packages, or None."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds, which --help does not need

    with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
        try:
            return _fetched(client, run_id, tags.REQUIREMENTS, Path(folder)).read_text()
        except (MlflowException, OSError):
            return None


def _environment(plan: Plan, folder: Path) -> str:
    """Return a new Python with the original's packages."""
    place, listed = folder / "environment", folder / "requirements.txt"
    listed.write_text(plan.packages)
    _run([plan.python, "-m", "venv", str(place)], folder, {})
    python = str(place / ("Scripts" if os.name == "nt" else "bin") / "python")
    _run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(listed)], folder, {})
    _bring_ourselves(python, folder)
    return python


def _bring_ourselves(python: str, folder: Path) -> None:
    """Put this package there if it came from a folder: it logs in, and links the runs."""
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    target = Path(
        subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    )
    if list(target.glob("mlflow_team-*.dist-info")):
        return
    here = Path(__file__).parent
    shutil.copytree(here, target / here.name, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = target / "mlflow_team-0.dist-info"
    metadata.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (metadata / name).write_text(distribution("mlflow-team").read_text(name) or "")


def _variables(original: "Run") -> dict[str, str]:
    import mlflow  # noqa: PLC0415 - seconds, which --help does not need

    return {
        "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
        "MLFLOW_EXPERIMENT_ID": original.info.experiment_id,
        REPRODUCES_VARIABLE: original.info.run_id,
    }


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    print(f"mlflow-team: {' '.join(command)}", file=sys.stderr)
    kept = dict(os.environ)
    if variables:
        for name in REPLACED:
            kept.pop(name, None)
    try:
        process = subprocess.Popen(command, cwd=folder, env={**kept, **variables})
    except OSError as error:
        raise ReproductionError(f"{' '.join(command)} cannot be started: {error}") from None
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(END_SECONDS)  # it may tell MLflow that its run has ended
        finally:
            process.kill()
            process.wait()
        raise
    if code:
        raise ReproductionError(f"{' '.join(command)} ended with exit code {code}")


def _its_run(client: "MlflowClient", original: "Run", began: int) -> "Run":
    """Return the new run: that of the same name, or the only one; a parent is not held against a child."""
    found = [
        run
        for run in client.search_runs(
            [original.info.experiment_id], f"tags.`{tags.REPRODUCES}` = '{original.info.run_id}'"
        )
        if run.info.start_time >= began and (PARENT in run.data.tags) == (PARENT in original.data.tags)
    ]
    named = [run for run in found if run.info.run_name == original.info.run_name]
    for runs in (named, found):
        if len(runs) == 1:
            return runs[0]
    if not found:
        raise ReproductionError(
            f"the command ended well and started no run in experiment {original.info.experiment_id}"
        )
    ids = ", ".join(run.info.run_id for run in found)
    raise ReproductionError(f"the command started several runs, none or several named as the original: {ids}")


def check_tolerance(text: str) -> float:
    """Read a tolerance.

    Raises:
        BadInputError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise BadInputError([f"--tolerance is {text!r}: a part of the value, below 1, such as 0.001"])
    return value
